"""From an ordinary encoder to an LTP model: the method, on data that is already tokenised."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass, replace
from typing import Any

from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.learn.budget import strongest, tenths
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import TrainerSettings
from ltp_deploy.learn.stages import Stages
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy, cascade_rule
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import Point, answers
from ltp_deploy.tune.search import Judge


@dataclass(frozen=True)
class Learned:
    """The result of one run.

    Attributes:
        recipe: what was done, with nothing left open.
        policy: of the trained model, as in a checkpoint's config.json.
        dense: the model that pruning started from, on the dev data.
        pruned: the trained model with its pruning, likewise; with a budget its score is the
            estimate of `strongest`.
        low, high: the 95 % interval of the drop, in points of the metric.
        texts: of this data.
        work: the share of the dense engine's multiply-adds that an engine still computes.
        remark: see `Head.remark`.
        checkpoint_sha256: of what was written, see `checkpoint_hash`; "" before that.
    """

    recipe: Recipe
    policy: dict[str, Any]
    dense: Point
    pruned: Point
    low: float
    high: float
    texts: int
    work: float
    remark: str = ""
    checkpoint_sha256: str = ""

    @property
    def drop(self) -> float:
        """Points of the metric that pruning costs, by the estimate."""
        return self.dense.score - self.pruned.score

    @property
    def inside_budget(self) -> bool:
        """Whether the drop on the dev data is inside the recipe's budget, if it has one."""
        budget = self.recipe.max_drop
        return budget is None or self.drop <= budget

    def to_dict(self) -> dict[str, Any]:
        """As a dict that `json.dumps` takes."""
        return asdict(self)


def learn(
    encoder: Encoder,
    train: TaskData,
    dev: TaskData,
    recipe: Recipe,
    settings: TrainerSettings,
) -> tuple[Encoder, Learned]:
    """Run the recipe's stages: fine-tune, learn thresholds, train the pruned model.

    Args:
        encoder: a dense classifier, whose weights are trained in place. With `finetune_epochs`
            its head may be new; for the method "ltp" it may have thresholds, to go on from.
        train: what is trained on; with `recipe.distill` it is given the dense model's answers.
        dev: what the result is judged on. With `max_drop` it also decides how much is pruned, see
            `budget`.
        settings: where the stages keep their checkpoints and logs.

    Returns:
        The trained encoder with its policy, and what it does on `dev`.

    Raises:
        LtpError: labels that the head cannot be trained on; the loss became infinite or NaN, or
            the FLOPs ratio cannot be reached.
    """
    config, convention = encoder.config, encoder.config.policy
    head = head_of(config)
    if wrong := head.untrainable(train.labels):
        raise LtpError(wrong)
    denominator = convention.score_length or float(train.batch.lengths.mean())
    recipe = recipe.for_data(len(train), denominator)
    stages = Stages(encoder, train, recipe, settings)
    parts = tenths(dev, config, recipe.seed) if recipe.max_drop is not None else None

    stages.finetune()
    judge = Judge(encoder, dev, math.inf if recipe.max_drop is None else recipe.max_drop)
    # Where data has no labels, its targets are the dense model's answers already.
    if recipe.distill and recipe.method != "dense" and head.labelled:
        train.teacher, _ = answers(encoder.unpruned(), train.batch)
    policy = starting_policy(recipe, config.layers, convention)
    if recipe.method == "ltp":
        policy = stages.learn_thresholds(policy)
    elif recipe.method == "tuned":
        policy = stages.walked(policy)
    policy = stages.scaled(policy)
    stages.train_pruned(policy)
    if parts is not None and policy.prunes:
        policy, found = strongest(policy, judge, parts)
        if not policy.prunes:
            warnings.warn(
                f"no pruning is surely within {recipe.max_drop:g} points on {len(dev)} texts: give "
                "more dev data, or allow more",
                stacklevel=2,
            )
    else:
        policy = stages.scaled(policy)
        found = judge.estimate(policy)
        if recipe.method == "ltp":
            _warn(found.pruned)
    learned = Learned(
        recipe,
        policy.to_config(),
        found.dense,
        found.pruned,
        found.low,
        found.high,
        found.texts,
        found.work,
        found.remark,
    )
    return encoder.with_policy(policy), learned


def starting_policy(recipe: Recipe, layers: int, convention: PrunePolicy) -> PrunePolicy:
    """The method's rules before anything is learned, as published.

    "ltp" and "manual" have thresholds that rise linearly from none at layer 0. For "ltp" those
    of a model that has some already are taken instead. "topk" has the keep rates of
    `cascade_rule`, which prunes nothing in the first 3 layers, or in the first quarter of a model
    of less than 12 layers. "tuned" and "dense" prune nothing.

    Args:
        recipe: with nothing left open, see `Recipe.for_data`.
        layers: of the model.
        convention: the score denominator and the treatment of the first token to keep.
    """
    if recipe.method == "ltp" and convention.prunes:
        return convention
    rules = list(PrunePolicy.dense(layers).layers)
    if recipe.method == "topk":
        spared = min(3, layers // 4)
        rules = [cascade_rule(recipe.keep_rate, i, layers, spared) for i in range(layers)]
    elif recipe.method in ("ltp", "manual"):
        assert recipe.final_threshold is not None
        for i in range(1, layers):
            rules[i] = LayerRule(Mode.ABSOLUTE, recipe.final_threshold * i / layers)
    return replace(convention, layers=tuple(rules))


def _warn(point: Point) -> None:
    if point.alive[-1] < 1.05 and point.alive[-2] < 1.5:
        warnings.warn(
            "the thresholds prune nearly everything; lower lambda, or the final threshold",
            stacklevel=3,
        )
    elif point.flops_ratio < 1.02:
        warnings.warn("hardly anything is pruned; raise lambda, or train for longer", stacklevel=3)
