"""The files of a checkpoint, as against those that links in it point to."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.errors import LtpError


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
