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
from ltp_deploy.data.examples import DataOptions, Examples, read_examples
from ltp_deploy.data.tokenizer import Tokenizer, copy_tokenizer_files
from ltp_deploy.errors import LtpError
from ltp_deploy.learn.data import TaskData, required_labels
from ltp_deploy.learn.evaluate import Point, answers, evaluate
from ltp_deploy.learn.masks import Dense, Hard, Mask, Soft
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.scale import scaled_to
from ltp_deploy.learn.trainer import LOG, Stage, fit
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy, cascade_rule

SCALING_TOKENS = 16_384  # of the training data, on which a policy is scaled


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
    dense: Point | None = None,
) -> tuple[Encoder, Learned]:
    """Run the recipe's stages.

    Args:
        encoder: a dense classifier; with `finetune_epochs` one whose head is new; for the method
            "ltp" also one with thresholds, to go on from them.
        work: folder for the stages' checkpoints and logs.
        resume: go on with the checkpoints that an interrupted run left in `work`.
        dense: what the model does on `dev` without pruning, where that is known.

    Returns:
        The trained encoder with its policy, and what it does on `dev`.

    Raises:
        LtpError: the loss is no number, or the FLOPs ratio cannot be reached.
    """
    convention = encoder.config.policy
    denominator = convention.score_length or float(train.batch.lengths.mean())
    recipe = recipe.for_data(len(train), denominator)
    layers = encoder.config.layers

    def stage(
        name: str, mask: Mask, epochs: float, rate: float, regularisation: float = 0.0
    ) -> None:
        if not epochs:
            return
        distill = recipe.distill if train.teacher is not None else 0.0
        model = Learner(
            encoder.requires_grad_(True),
            mask,
            regularisation,
            recipe.flops_ratio,
            distill,
            recipe.dropout,
            recipe.attention_dropout,
        )
        settings = Stage(name, epochs, rate, recipe.threshold_learning_rate or rate)
        fit(settings, model, train, work, recipe.batch, recipe.seed, resume, arguments)
        encoder.to("cpu").requires_grad_(False).eval()

    def scaled(policy: PrunePolicy) -> PrunePolicy:
        if recipe.flops_ratio is None or recipe.method == "dense":
            return policy
        sample = train.sample(SCALING_TOKENS, recipe.seed)
        return scaled_to(encoder.with_policy(policy), sample, recipe.flops_ratio)

    stage("finetune", Dense(), recipe.finetune_epochs, recipe.learning_rate)
    unpruned = encoder.with_policy(PrunePolicy.dense(layers))
    dense = dense or evaluate(unpruned, dev)
    if recipe.distill:
        train.teacher, _ = answers(unpruned, train.batch)
    policy = starting_policy(recipe, layers, convention)
    if recipe.method == "dense":
        recipe = replace(recipe, hard_epochs=0.0)
    if recipe.method == "ltp":
        assert recipe.temperature is not None
        soft = Soft(policy, recipe.temperature)
        stage("soft", soft, recipe.soft_epochs or 0.0, recipe.learning_rate, recipe.regularisation)
        policy = soft.cpu().binarised()
    policy = scaled(policy)
    stage("hard", Hard(policy), recipe.hard_epochs, recipe.hard_learning_rate)
    trained = encoder.with_policy(scaled(policy))
    pruned = evaluate(trained, dev)
    if trained.config.policy.prunes:
        _warn(pruned)
    return trained, Learned(recipe, trained.config.policy.to_config(), dense, pruned)


def starting_policy(recipe: Recipe, layers: int, convention: PrunePolicy) -> PrunePolicy:
    """The method's rules before anything is learned, as published.

    Thresholds rise linearly from none at layer 0; those of a model that has some stay, where they
    are to be learned. For keep rates see `cascade_rule`; models of less than 12 layers spare a
    quarter of them, not 3.
    """
    if recipe.method == "ltp" and convention.prunes:
        return convention
    rules = list(PrunePolicy.dense(layers).layers)
    if recipe.method == "topk":
        spared = min(3, layers // 4)
        rules = [cascade_rule(recipe.keep_rate, i, layers, spared) for i in range(layers)]
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
        model, num_labels=labels, local_files_only=True, trust_remote_code=False
    ).save_pretrained(folder)
    copy_tokenizer_files(model, folder)
    return folder


@dataclass(frozen=True)
class Job:
    """A run on files.

    Attributes:
        model: the directory of a classifier, or with `recipe.finetune_epochs` of any encoder.
        train, dev: data as `read_examples` takes it, read with `options`; of a data set that
            is named, `train` is the split of that name.
        known_dense: see `learn`.
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
    known_dense: Point | None = None


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
        examples = read_examples(job.train, replace(job.options, split="train"))
        judged = read_examples(job.dev, job.options)
        source = job.model
        if recipe.finetune_epochs:
            source = with_new_head(job.model, label_count(examples), work / "head", recipe.seed)
        encoder = starting_encoder(source, job)
        tokenizer = Tokenizer(source, encoder.config)
        data, check = (
            TaskData.read(e, tokenizer, encoder.config, recipe.max_length)
            for e in (examples, judged)
        )
        trained, learned = learn(
            encoder, data, check, recipe, work, job.resume, job.arguments, job.known_dense
        )
        save_encoder(trained, source, directory)
        write_json(directory / "learned.json", learned.to_dict())
        if (work / LOG).exists():
            shutil.copy(work / LOG, directory / LOG)
    shutil.rmtree(work)
    return learned


def starting_encoder(source: Path, job: Job) -> Encoder:
    """The model with the job's conventions, and with its thresholds where it has some to go on
    from.

    Raises:
        LtpError: it has thresholds that were learned under other conventions.
    """
    encoder = load_encoder(source)
    own = encoder.config.policy
    policy = own.override(job.score_length, job.first_token)
    learnable = all(rule.mode is Mode.ABSOLUTE for rule in own.layers if rule.prunes)
    if job.recipe.method != "ltp" or not learnable:
        policy = replace(policy, layers=PrunePolicy.dense(encoder.config.layers).layers)
    elif own.prunes and own != policy:
        convention = own.to_config()
        raise LtpError(
            f"the thresholds of {source} were learned with other conventions; to go on from them "
            f"pass --score-length {convention['score_length']} "
            f"--first-token {convention['first_token']}"
        )
    return encoder.with_policy(policy)


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
