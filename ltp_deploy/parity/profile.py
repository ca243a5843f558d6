"""Survivors measured on a user's data, for the plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.oracle_run import run_oracle

ROWS = 256


@dataclass(frozen=True)
class ProfileData:
    """Where texts are; the first 256 are used, or as many as `options.limit` says."""

    source: str
    options: DataOptions


def measure_profile(
    encoder: Encoder, checkpoint: Path, data: ProfileData, max_length: int
) -> SurvivorProfile:
    """Run the oracle on the data, each text cut to `max_length` tokens.

    Raises:
        LtpError: the checkpoint has no tokenizer, or the data cannot be read.
    """
    examples = read_examples(data.source, data.options, labels=False)
    texts = examples.texts[: data.options.limit or ROWS]
    tokenizer = TransformersTokenizer(checkpoint, encoder.config, max_length)
    return run_oracle(encoder, tokenizer(texts), title="profile").profile
