"""From an ordinary classifier to an LTP checkpoint: the stages in their order."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder, write_json
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.learn.data import TaskData, required_labels
from ltp_deploy.learn.evaluate import Point, evaluate
from ltp_deploy.learn.masks import Dense, Hard, Mask, Soft
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.trainer import Stage, fit
from ltp_deploy.pruning.policy import LayerRule, Mode, PrunePolicy, cascade_rule
from ltp_deploy.tokenizer import Tokenizer, copy_tokenizer_files
from ltp_deploy.validation.data import DataOptions, Examples, read_examples
from ltp_deploy.validation.oracle_run import run_oracle


@dataclass(frozen=True)
class Learned:
    """The result of one run: the checkpoint's policy, and both models on the dev data."""

    recipe: Recipe
    policy: dict[str, Any]
    dense: Point
    pruned: Point

    @property
    def drop(self) -> float:
        return self.dense.score - self.pruned.score

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def learn(
    encoder: Encoder,
    train: TaskData,
    dev: TaskData,
    recipe: Recipe,
    work: Path,
    resume: bool = False,
    arguments: dict[str, Any] | None = None,
) -> tuple[Encoder, Learned]:
    """Run the recipe's stages.

    Args:
        encoder: a dense classifier, or with `finetune_epochs` one whose head is new.
        work: folder for the stages' checkpoints and logs.
        resume: go on with the checkpoints that an interrupted run left in `work`.

    Returns:
        The trained encoder with its policy, and what it does on `dev`.

    Raises:
        LtpError: the loss is no number.
    """
    recipe = recipe.for_data(len(train), float(train.batch.lengths.mean()))
    convention = encoder.config.policy
    layers = encoder.config.layers

    def stage(
        name: str, mask: Mask, epochs: float, rate: float, regularisation: float = 0.0
    ) -> None:
        if not epochs:
            return
        distill = recipe.distill if train.teacher is not None else 0.0
        model = Learner(encoder.requires_grad_(True), mask, regularisation, distill)
        settings = Stage(name, epochs, rate, recipe.threshold_learning_rate or rate)
        fit(settings, model, train, work, recipe.batch, recipe.seed, resume, arguments)
        encoder.to("cpu")

    stage("finetune", Dense(), recipe.finetune_epochs, recipe.learning_rate)
    unpruned = encoder.with_policy(PrunePolicy.dense(layers))
    dense = evaluate(unpruned, dev)
    if recipe.distill:
        train.teacher = run_oracle(unpruned, train.batch, title="teacher").logits
    policy = starting_policy(recipe, layers, convention)
    if recipe.method == "dense":
        recipe = replace(recipe, hard_epochs=0.0)
    if recipe.method == "ltp":
        assert recipe.temperature is not None
        soft = Soft(policy, recipe.temperature)
        stage("soft", soft, recipe.soft_epochs or 0.0, recipe.learning_rate, recipe.regularisation)
        policy = soft.cpu().binarised()
    stage("hard", Hard(policy), recipe.hard_epochs, recipe.hard_learning_rate)
    trained = encoder.requires_grad_(False).eval().with_policy(policy)
    pruned = evaluate(trained, dev)
    if policy.prunes:
        _warn(pruned)
    return trained, Learned(recipe, policy.to_config(), dense, pruned)


def starting_policy(recipe: Recipe, layers: int, convention: PrunePolicy) -> PrunePolicy:
    """The method's rules before anything is learned, as published.

    Thresholds rise linearly from none at layer 0; for keep rates see `cascade_rule`.
    """
    rules = list(PrunePolicy.dense(layers).layers)
    if recipe.method == "topk":
        rules = [cascade_rule(recipe.keep_rate, i, layers) for i in range(layers)]
    elif recipe.method != "dense":
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


def with_new_head(model: Path, labels: int, folder: Path, seed: int) -> Path:
    """A checkpoint of `model` with a new classification head, in `folder`."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    AutoModelForSequenceClassification.from_pretrained(
        model, num_labels=labels, local_files_only=True
    ).save_pretrained(folder)
    copy_tokenizer_files(model, folder)
    return folder


@dataclass(frozen=True)
class Job:
    """A run on files.

    Attributes:
        model: the directory of a classifier, or with `recipe.finetune_epochs` of any encoder.
        train, dev: data as `read_examples` takes it, read with `options`.
        output: the checkpoint to write; stages keep theirs, and logs, in OUTPUT.work.
        arguments: more of transformers' `TrainingArguments`.
    """

    model: Path
    train: str
    dev: str
    output: Path
    recipe: Recipe
    options: DataOptions = field(default_factory=DataOptions)
    score_length: int | str = "sequence"
    first_token: str = "keep"
    resume: bool = False
    force: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)


def run(job: Job) -> Learned:
    """Read the data, learn, write the checkpoint; see `learn`.

    What the stages left in OUTPUT.work stays there where the run dies.

    Raises:
        LtpError: bad data or settings, or the output exists.
    """
    recipe, work = job.recipe, job.output.with_name(f"{job.output.name}.work")
    if work.exists() and not job.resume:
        raise LtpError(
            f"{work} was left by a run that stopped; pass --resume to go on, or remove it"
        )
    with new_checkpoint(job.output, job.force) as directory:
        work.mkdir(parents=True, exist_ok=True)
        examples, judged = (read_examples(name, job.options) for name in (job.train, job.dev))
        source = job.model
        if recipe.finetune_epochs:
            source = with_new_head(job.model, label_count(examples), work / "head", recipe.seed)
        encoder = load_encoder(source, job.score_length, job.first_token)
        dense = PrunePolicy.dense(encoder.config.layers).layers
        encoder = encoder.with_policy(replace(encoder.config.policy, layers=dense))
        tokenizer = Tokenizer(source, encoder.config)
        data, check = (
            TaskData.read(e, tokenizer, encoder.config, recipe.max_length)
            for e in (examples, judged)
        )
        trained, learned = learn(encoder, data, check, recipe, work, job.resume, job.arguments)
        save_encoder(trained, source, directory)
        write_json(directory / "learned.json", learned.to_dict())
    shutil.rmtree(work)
    return learned


def label_count(examples: Examples) -> int:
    """Classes in the data; 1, a regression, where labels are not all whole numbers.

    Raises:
        LtpError: no labels, or names of classes, which a new head has no order for.
    """
    labels = required_labels(examples)
    if any(isinstance(label, str) for label in labels):
        names = sorted({str(label) for label in labels})
        raise LtpError(f"a new head needs labels that are numbers, found {names[:5]}")
    if any(label != int(label) for label in labels):
        return 1
    return int(max(labels)) + 1
