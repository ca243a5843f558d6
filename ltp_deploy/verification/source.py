"""The checkpoint that an engine was built from."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.bundle.manifest import Manifest
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.multi_label import MultiLabel
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import Engine


def load_source(engine: Engine, checkpoint: Path) -> Encoder:
    """The checkpoint's encoder, under its own policy; what that leaves undecided is the bundle's.

    Raises:
        LtpError: see `check_source`.
    """
    check_source(engine.directory, engine.manifest, checkpoint)
    built = engine.manifest.model.policy.to_config()
    return load_encoder(checkpoint, undecided_score_length=built["score_length"])


def check_source(bundle: Path, manifest: Manifest, checkpoint: Path) -> None:
    """Raises LtpError if the bundle was built from another checkpoint."""
    if manifest.source.sha256 != checkpoint_hash(checkpoint):
        raise LtpError(
            f"{bundle} was not built from {checkpoint}, or that has changed since; "
            "pass its own checkpoint, or build it again"
        )


def as_built(encoder: Encoder, engine: Engine) -> tuple[Encoder, list[str]]:
    """The checkpoint under the conventions of the bundle, and which of them are not its own.

    The thresholds of pruning stay the checkpoint's: the bundle's are what is to be proven.
    """
    own = encoder.config.policy.to_config()
    built = engine.manifest.model.policy.to_config()
    overrides = [
        f"{name} is {built[name]} in the bundle, {own[name]} in the checkpoint"
        for name in ("score_length", "first_token")
        if built[name] != own[name]
    ] + _other_thresholds(engine.config, encoder.config)
    policy = encoder.config.policy.override(built["score_length"], built["first_token"])
    found = encoder.with_policy(policy).with_label_thresholds(engine.config.label_thresholds)
    return found, overrides


def _other_thresholds(built: EncoderConfig, own: EncoderConfig) -> list[str]:
    """The labels that hold above another probability in a bundle than in its checkpoint."""
    if built.label_thresholds == own.label_thresholds:
        return []
    heads = MultiLabel(built), MultiLabel(own)
    thresholds = zip(heads[0].names(), *(head.thresholds for head in heads), strict=True)
    return [
        f"the threshold of label {name} is {ours:g} in the bundle, {theirs:g} in the checkpoint"
        for name, ours, theirs in thresholds
        if ours != theirs
    ]
