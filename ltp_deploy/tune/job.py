"""`tune` on files: read a checkpoint and data, search, write a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder, write_json
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.memory import keep_freed_blocks
from ltp_deploy.heads import head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answered
from ltp_deploy.tune.label_thresholds import choose
from ltp_deploy.tune.plot import FLOPS, Bar, by_flops, check_matplotlib, draw
from ltp_deploy.tune.search import Tuned, tune
from ltp_deploy.verification.source import check_source


def conventions_of(bundle: Path, checkpoint: Path) -> dict[str, Any]:
    """The conventions that a bundle of this checkpoint was built with, as `TuneJob` takes them.

    Raises:
        LtpError: see `read_bundle` and `check_source`.
    """
    manifest = read_bundle(bundle)
    check_source(bundle, manifest, checkpoint)
    policy = manifest.model.policy.to_config()
    return {
        "score_length": policy["score_length"],
        "first_token": policy["first_token"],
        "label_thresholds": manifest.model.label_thresholds,
    }


LEAST = 2  # texts, or queries, to search on, and others to make the estimate on


@dataclass(frozen=True)
class TuneJob:
    """A search on files.

    Attributes:
        checkpoint: the directory of a model, dense or with thresholds.
        data: what policies are chosen on, as `read_examples` takes it with `options`. Without
            labels they are judged by agreement with the dense model.
        output: the checkpoint to write.
        max_drop: the budget, in points of the metric.
        test: what the chosen policy's cost is estimated on; None for one half of `data`, a random
            one, on which nothing is chosen then.
        unlabelled: whether to use no labels where there are some.
        score_length, first_token: conventions that replace the checkpoint's own, see
            `PrunePolicy`.
        force: whether to replace an existing checkpoint.
        pooling: what a mean over tokens is of, see `Embedding.pooling`; None keeps the model's.
        label_thresholds: what replaces the checkpoint's own, see `load_encoder`.
        choose_label_thresholds: whether thresholds of labels are chosen before the policy, on the
            same data.
    """

    checkpoint: Path
    data: str
    output: Path
    max_drop: float
    test: str | None = None
    unlabelled: bool = False
    options: DataOptions = field(default_factory=DataOptions)
    score_length: int | str | None = None
    first_token: str | None = None
    force: bool = False
    pooling: str | None = None
    label_thresholds: tuple[float, ...] | None = None
    choose_label_thresholds: bool = False


def tune_checkpoint(job: TuneJob) -> Tuned:
    """Write the checkpoint with its new policy, tuned.json and tuned.svg.

    Raises:
        LtpError: bad or too little data, the output exists, or matplotlib is missing; see also
            `tune`.
    """
    checkpoint = job.checkpoint
    keep_freed_blocks()
    with new_checkpoint(job.output, checkpoint, job.force) as directory:
        check_matplotlib()
        encoder = starting_encoder(job)
        search, other, labelled = read_parts(job, encoder)
        chosen = None
        if job.choose_label_thresholds:
            encoder, chosen = choose(encoder, search, other, labelled)
        tuned = tune(encoder, search, other, job.max_drop, labelled)
        tuned = replace(tuned, label_thresholds=chosen)
        save_encoder(encoder.with_policy(tuned.chosen.policy), checkpoint, directory)
        tuned = replace(tuned, checkpoint_sha256=checkpoint_hash(directory))
        write_json(directory / "tuned.json", tuned.to_dict())
        curves = {
            "one factor": by_flops(candidate.point for candidate in tuned.curve),
            "layer by layer": by_flops(candidate.point for candidate in tuned.path),
            "chosen": by_flops([tuned.chosen.point]),
        }
        known = {name: curve for name, curve in curves.items() if curve}
        title = f"{checkpoint.absolute().name}, tuned"
        picture = directory / "tuned.svg"
        draw(picture, title, tuned.dense, {FLOPS: known}, job.max_drop, estimate_bar(tuned))
    return tuned


def estimate_bar(tuned: Tuned) -> Bar:
    """The estimated drop as far below the dense model's score on the search data."""
    estimate, score = tuned.estimate, tuned.dense.score
    drops = (estimate.high, estimate.drop, estimate.low)
    return Bar(
        "chosen, on other data", estimate.pruned.flops_ratio, *(score - drop for drop in drops)
    )


def starting_encoder(job: TuneJob) -> Encoder:
    """The model with the job's conventions. One that prunes nothing keeps its first token from
    now on, unless the job says otherwise."""
    encoder = load_encoder(
        job.checkpoint,
        job.score_length,
        job.first_token,
        label_thresholds=job.label_thresholds,
    )
    encoder = encoder.with_pooling(job.pooling)
    policy = encoder.config.policy
    if policy.prunes or job.first_token is not None:
        return encoder
    return encoder.with_policy(replace(policy, keep_first=True))


def read_parts(job: TuneJob, encoder: Encoder) -> tuple[TaskData, TaskData, bool]:
    """The data to search on, the data to estimate on, and whether they came with labels.

    Raises:
        LtpError: there is too little, or one of two files has labels and the other has not.
    """
    if job.test == job.data:
        raise LtpError(f"--test is --data, {job.data}: leave it out, and a half is set aside")
    sources = [job.data] if job.test is None else [job.data, job.test]
    labelled = head_of(encoder.config).labelled and not job.unlabelled
    parts = [read_examples(source, job.options, labelled) for source in sources]
    without = [source for source, part in zip(sources, parts, strict=True) if part.labels is None]
    if without and len(without) < len(sources):
        raise LtpError(
            f"{without[0]} has no labels, the other data has: name its column with "
            "--label-column, or pass --unlabelled to judge both by agreement with the dense model"
        )
    config = encoder.config
    tokenizer = TransformersTokenizer(job.checkpoint, config)
    data = (
        answered(parts, encoder, tokenizer, job.options.metric)
        if without
        else TaskData.read(parts, tokenizer, config)
    )
    usual = head_of(config).usual_metric(np.concatenate([part.labels for part in data]))
    for part in data:  # before a part could have another one
        part.metric = part.metric or usual
    search, other = data if len(data) == 2 else data[0].divided((len(data[0]) + 1) // 2, seed=0)
    units = [len(np.unique(part.units)) for part in (search, other)]
    if min(units) < LEAST:
        noun = "texts" if sum(units) == len(search) + len(other) else "queries"
        raise LtpError(
            f"{units[0]} {noun} to search on and {units[1]} to estimate on are too few: {LEAST} of "
            "each is the least, and some hundred are needed for an estimate that says something"
        )
    return search, other, not without
