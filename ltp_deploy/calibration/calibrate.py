"""Checkpoint and sample data -> calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ltp_deploy.calibration.artifact import Calibration, Sample, texts_hash
from ltp_deploy.calibration.ranges import activation_ranges, check_shape, need_nncf
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.oracle_run import run_oracle

LEAST = 16  # sequences; with fewer, ranges are those of a few sentences


def calibrate(
    checkpoint: Path,
    source: str,
    samples: int = 300,
    seed: int = 0,
    options: DataOptions | None = None,
    score_length: int | str | None = None,
    first_token: str | None = None,
) -> Calibration:
    """Measure ranges, survivors and lengths on texts drawn from `source`.

    Args:
        samples: how many texts are drawn; all of them where there are fewer.
        score_length, first_token: conventions that replace the checkpoint's own, as in a build.

    Raises:
        LtpError: too few texts, no tokenizer, NNCF is missing, heads that the CPU kernels do not
            hold, activations that are not finite.
    """
    need_nncf()
    encoder = load_encoder(checkpoint, score_length, first_token)
    check_shape(encoder.config)
    examples = read_examples(source, options, labels=False)
    count = min(samples, len(examples))
    if count < LEAST:
        raise LtpError(
            f"{count} texts to calibrate on: at least {LEAST} are needed, and a few hundred make "
            "ranges that hold; pass more data or a larger --samples"
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(examples))[:count])
    data = TransformersTokenizer(checkpoint, encoder.config)([examples.texts[i] for i in chosen])
    oracle = run_oracle(encoder, data, title="survivors")
    if not np.isfinite(oracle.logits).all():
        raise LtpError(
            f"{checkpoint} gives logits that are not finite on row "
            f"{1 + chosen[int(np.argmin(np.isfinite(oracle.logits).all(1)))]} of {source}; "
            "the checkpoint is broken, or its activations leave float32"
        )
    return Calibration(
        checkpoint=checkpoint_hash(checkpoint),
        policy=encoder.config.policy,
        sample=Sample(Path(source).name, texts_hash(examples), count, seed),
        profile=oracle.profile,
        ranges=activation_ranges(encoder, data),
    )
