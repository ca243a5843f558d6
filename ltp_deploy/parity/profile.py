"""Survivors measured on a user's data, for the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer, has_tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.oracle_run import run_oracle

ROWS = 256


@dataclass(frozen=True)
class ProfileData:
    """Where texts are; the first 256 are used, or as many as `options.limit` says."""

    source: str
    options: DataOptions


def measure_profile(encoder: Encoder, checkpoint: Path, data: ProfileData) -> SurvivorProfile:
    """Run the oracle on the data.

    Raises:
        LtpError: the checkpoint has no tokenizer, or the data cannot be read.
    """
    if not has_tokenizer(checkpoint):
        raise LtpError(f"{checkpoint} has no tokenizer, so survivors cannot be measured")
    examples = read_examples(data.source, data.options)
    texts = examples.texts[: data.options.limit or ROWS]
    return run_oracle(
        encoder, TransformersTokenizer(checkpoint, encoder.config)(texts), title="profile"
    ).profile
