"""The files of a checkpoint: its own, and no larger than what they hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ltp_deploy.bundle.contents import is_sparse
from ltp_deploy.errors import CheckpointError, LtpError


def check_own(path: Path, checkpoint: Path) -> None:
    """Refuse a link out of a checkpoint: what it points to is not the checkpoint's to copy.

    The hub's cache keeps its files elsewhere, and links to them, which is allowed.

    Raises:
        LtpError: where the link points to.
    """
    target, folder = path.resolve(), checkpoint.resolve()
    blobs = folder.parent.parent / "blobs" if folder.parent.name == "snapshots" else folder
    if not (target.is_relative_to(folder) or target.is_relative_to(blobs)):
        raise LtpError(
            f"{path} is a link to {target}, outside of the checkpoint; put the file itself there"
        )


def check_stored(paths: Iterable[Path]) -> None:
    """Refuse files that are nearly all holes: whoever reads one whole, fills the memory with zeros.

    Raises:
        CheckpointError: which one is.
    """
    for path in paths:
        if path.is_file() and is_sparse(path):
            raise CheckpointError(
                f"{path} is {path.stat().st_size} bytes, nearly all of them holes; get it again"
            )
