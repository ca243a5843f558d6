"""What tells one checkpoint from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ltp_deploy.checkpoint.embedding import pipeline_files
from ltp_deploy.checkpoint.files import weight_files


def checkpoint_hash(directory: Path) -> str:
    """SHA-256 over config.json, the weight files, and what an embedding model has beside them."""
    digest = hashlib.sha256()
    files = [directory / "config.json", *weight_files(directory), *pipeline_files(directory)]
    for path in files:
        digest.update(path.relative_to(directory).as_posix().encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
