"""`tune` on files: read a checkpoint and data, search, write a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder, write_json
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.plot import FLOPS, by_flops, draw
from ltp_deploy.learn.tune import Tuned, tune
from ltp_deploy.verification.source import check_source


def conventions_of(bundle: Path, checkpoint: Path) -> tuple[int | str, str]:
    """The conventions that a bundle of this checkpoint was built with.

    Returns:
        The score length and the treatment of the first token, as `TuneJob` takes them.

    Raises:
        LtpError: see `read_bundle` and `check_source`.
    """
    manifest = read_bundle(bundle)
    check_source(bundle, manifest, checkpoint)
    policy = manifest.model.policy.to_config()
    return policy["score_length"], policy["first_token"]


@dataclass(frozen=True)
class TuneJob:
    """A search on files.

    Attributes:
        checkpoint: the directory of a model that prunes.
        data: what every policy is evaluated on, as `read_examples` takes it with `options`.
        output: the checkpoint to write.
        max_drop: the budget, in points of the metric.
        score_length, first_token: conventions that replace the checkpoint's own, see
            `PrunePolicy`.
        force: whether to replace an existing checkpoint.
    """

    checkpoint: Path
    data: str
    output: Path
    max_drop: float
    options: DataOptions = field(default_factory=DataOptions)
    score_length: int | str | None = None
    first_token: str | None = None
    force: bool = False


def tune_checkpoint(job: TuneJob) -> Tuned:
    """Write the checkpoint with rescaled thresholds, tuned.json and tuned.svg.

    Raises:
        LtpError: bad data, or the output exists; see also `tune`.
    """
    checkpoint = job.checkpoint
    with new_checkpoint(job.output, job.force) as directory:
        encoder = load_encoder(checkpoint, job.score_length, job.first_token)
        examples = read_examples(job.data, job.options)
        tokenizer = TransformersTokenizer(checkpoint, encoder.config)
        (data,) = TaskData.read([examples], tokenizer, encoder.config)
        with tqdm(desc="tune", unit=" settings", disable=None) as bar:

            def progress(words: str) -> None:
                bar.set_postfix_str(words)
                bar.update()

            policy, tuned = tune(encoder, data, job.max_drop, progress)
        save_encoder(encoder.with_policy(policy), checkpoint, directory)
        write_json(directory / "tuned.json", tuned.to_dict())
        curves = {
            "one factor": by_flops(candidate.point for candidate in tuned.curve),
            "as it was": by_flops([tuned.before]),
            "layer by layer": by_flops([tuned.chosen.point]),
        }
        title = f"{checkpoint.name}, tuned"
        draw(directory / "tuned.svg", title, tuned.dense, {FLOPS: curves}, job.max_drop)
    return tuned
