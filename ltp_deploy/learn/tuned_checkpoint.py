"""`tune` on a checkpoint directory: read, search, write."""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import new_checkpoint, save_encoder, write_json
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.plot import FLOPS, by_flops, draw
from ltp_deploy.learn.tune import Tuned, tune
from ltp_deploy.verification.source import check_source


def conventions_of(bundle: Path, checkpoint: Path) -> tuple[int | str, str]:
    """(score length, first token) that a bundle of this checkpoint was built with.

    Raises:
        LtpError: see `read_bundle` and `check_source`.
    """
    manifest = read_bundle(bundle)
    check_source(bundle, manifest, checkpoint)
    policy = manifest.model.policy.to_config()
    return policy["score_length"], policy["first_token"]


def tune_checkpoint(
    checkpoint: Path,
    data: str,
    output: Path,
    max_drop: float,
    options: DataOptions,
    score_length: int | str | None = None,
    first_token: str | None = None,
    force: bool = False,
) -> Tuned:
    """Write `output`: the checkpoint with rescaled thresholds, tuned.json and tuned.svg.

    Raises:
        LtpError: see `tune`; or bad data.
    """
    with new_checkpoint(output, force) as directory:
        encoder = load_encoder(checkpoint, score_length, first_token)
        examples = read_examples(data, options)
        known = TaskData.read(examples, Tokenizer(checkpoint, encoder.config), encoder.config)
        with tqdm(desc="tune", unit=" settings", disable=None) as bar:

            def progress(words: str) -> None:
                bar.set_postfix_str(words)
                bar.update()

            policy, tuned = tune(encoder, known, max_drop, progress)
        save_encoder(encoder.with_policy(policy), checkpoint, directory)
        write_json(directory / "tuned.json", tuned.to_dict())
        curves = {
            "one factor": by_flops(candidate.point for candidate in tuned.curve),
            "as it was": by_flops([tuned.before]),
            "layer by layer": by_flops([tuned.chosen.point]),
        }
        title = f"{checkpoint.name}, tuned"
        draw(directory / "tuned.svg", title, tuned.dense, {FLOPS: curves}, max_drop)
    return tuned
