"""`learn` on files: read a checkpoint and data, train, write a checkpoint."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.checkpoint.new_head import NewHead
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder, write_json
from ltp_deploy.data.examples import DataOptions, read_examples, required_labels
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.memory import keep_freed_blocks
from ltp_deploy.heads import head_of
from ltp_deploy.heads.ranking import Ranking
from ltp_deploy.learn.learn import Learned, learn
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import TrainerSettings
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Mode, PrunePolicy
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answered


@dataclass(frozen=True)
class Job:
    """A run on files.

    Attributes:
        model: the directory of a classifier, or with `recipe.finetune_epochs` of any encoder.
        train, dev: data as `read_examples` takes it, read with `options`; of a data set that
            is named, `train` is the split of that name.
        output: the checkpoint to write; until it is complete, the stages' checkpoints and logs
            lie beside it, in OUTPUT.work.
        recipe: what the training does.
        head: the name of the new head in `HEADS`; None finds it by the data, see
            `starting_checkpoint`.
        score_length, first_token: the conventions to train with, see `PrunePolicy`. A score length
            of None is "sequence", and does not decide what `model` leaves undecided.
        pooling: what a mean over tokens is of, see `Embedding.pooling`; None keeps the model's.
        resume: whether to go on from what an interrupted run left in OUTPUT.work.
        force: whether to replace an existing checkpoint.
        arguments: further `TrainingArguments` of transformers.
    """

    model: Path
    train: str
    dev: str
    output: Path
    recipe: Recipe
    options: DataOptions = field(default_factory=DataOptions)
    score_length: int | str | None = None
    first_token: str = "keep"
    pooling: str | None = None
    head: str | None = None
    resume: bool = False
    force: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The folder of the stages' checkpoints and logs."""
        return self.output.with_name(f"{self.output.name}.work")


def run(job: Job) -> Learned:
    """Read the data, learn, and write the checkpoint with learned.json and log.jsonl.

    A run that dies leaves its folder OUTPUT.work, from which `job.resume` goes on.

    Raises:
        LtpError: bad data or settings, or the output exists; see also `learn`.
    """
    work = job.work
    if work.exists() and not job.resume:
        raise LtpError(
            f"{work} was left by a run that stopped; pass --resume to go on, or remove it"
        )
    keep_freed_blocks()
    with new_checkpoint(job.output, job.model, job.force) as directory:
        work.mkdir(parents=True, exist_ok=True)
        settings = TrainerSettings(work, job.resume, job.arguments)
        try:
            source, encoder, data, judged = _start(job)
            trained, learned = learn(encoder, data, judged, job.recipe, settings)
        except LtpError:
            if not job.resume and not settings.log.exists():
                shutil.rmtree(work)  # nothing is trained yet
            raise
        save_encoder(trained, source, directory)
        learned = replace(learned, checkpoint_sha256=checkpoint_hash(directory))
        write_json(directory / "learned.json", learned.to_dict())
        if settings.log.exists():
            shutil.copy(settings.log, directory)
    shutil.rmtree(work)
    return learned


def _start(job: Job) -> tuple[Path, Encoder, TaskData, TaskData]:
    """What training begins with: the checkpoint, its encoder, the data, and that which judges."""
    source = starting_checkpoint(job)
    encoder = starting_encoder(source, job)
    labelled = head_of(encoder.config).labelled
    parts = [
        read_examples(job.train, replace(job.options, split="train"), labelled),
        read_examples(job.dev, job.options, labelled),
    ]
    tokenizer = TransformersTokenizer(source, encoder.config, job.recipe.max_length)
    if labelled:
        data, judged = TaskData.read(parts, tokenizer, encoder.config)
    else:
        data, judged = answered(parts, encoder, tokenizer)
    return source, encoder, data, judged


def starting_checkpoint(job: Job) -> Path:
    """The job's model; where it is to be fine-tuned, a copy with a new head in OUTPUT.work. Unless
    the job names its kind, queries with passages make it a reranker, other data has it by its
    labels.

    Raises:
        LtpError: see `NewHead.for_labels` and `load_encoder`.
    """
    if not job.recipe.finetune_epochs:
        return job.model
    train = read_examples(job.train, replace(job.options, split="train"))
    kind = job.head or (Ranking.name if train.grouped else None)
    head = NewHead.for_labels(required_labels(train, "training"), job.recipe.seed, kind)
    encoder = load_encoder(job.model, undecided_score_length=job.score_length, new_head=head)
    folder = job.work / "head"
    save_encoder(encoder, job.model, folder, head)
    return folder


def starting_encoder(source: Path, job: Job) -> Encoder:
    """The model with the job's conventions, and with its thresholds where training goes on from
    them.

    Raises:
        LtpError: it has thresholds that were learned under other conventions.
    """
    encoder = load_encoder(source, undecided_score_length=job.score_length)
    encoder = encoder.with_pooling(job.pooling)
    own = encoder.config.policy
    policy = own.override(job.score_length or "sequence", job.first_token)
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
