"""The checkpoint that an engine was built from."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.files import checkpoint_hash
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import Engine


def load_source(engine: Engine, checkpoint: Path) -> Encoder:
    """The checkpoint's encoder, under its own policy.

    Raises:
        LtpError: the bundle was built from another checkpoint.
    """
    if engine.manifest["source"]["sha256"] != checkpoint_hash(checkpoint):
        raise LtpError(
            f"{engine.directory} was not built from {checkpoint}, or that has changed since; "
            "pass its own checkpoint, or build it again"
        )
    return load_encoder(checkpoint)
