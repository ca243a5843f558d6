"""`build --dry-run`: the plan, with what it would cost on given data."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.build import plan_build
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.config import EncoderConfig
from ltp_deploy.errors import LtpError
from ltp_deploy.pruning.profile import SurvivorProfile
from ltp_deploy.targets import find_target
from ltp_deploy.tokenizer import VOCABULARIES, Tokenizer
from ltp_deploy.validation.data import DataOptions, read_examples
from ltp_deploy.validation.oracle_run import run_oracle

PROFILE_ROWS = 256


def dry_run(
    checkpoint: Path,
    target: str,
    precision: str | None,
    survivors: bool,
    score_length: str | None,
    first_token: str | None,
    profile_data: str | None,
    options: DataOptions,
) -> tuple[Plan, EncoderConfig]:
    """Plan a build. With `profile_data`, survivors are measured on its first 256 rows, or on as
    many as `options.limit` says."""
    chosen = find_target(target)
    encoder = load_encoder(checkpoint, score_length, first_token)
    profile: SurvivorProfile | None = None
    if profile_data:
        if not any((checkpoint / name).is_file() for name in VOCABULARIES):
            raise LtpError(f"{checkpoint} has no tokenizer, so survivors cannot be measured")
        limit = options.limit or PROFILE_ROWS
        examples = read_examples(profile_data, options)
        tokenizer = Tokenizer(checkpoint, encoder.config)
        profile = run_oracle(encoder, tokenizer(examples.texts[:limit]), title="profile").profile
    return plan_build(encoder, chosen, precision, survivors, profile), encoder.config
