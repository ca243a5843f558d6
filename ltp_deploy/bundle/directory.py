"""Directories that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltp_deploy.errors import LtpError


@contextmanager
def new_directory(path: Path, force: bool, marker: str, kind: str) -> Iterator[Path]:
    """A temporary directory that becomes `path` when the block succeeds, and vanishes when not.

    Args:
        force: replace what is there, if it is a `kind`: a directory that holds a file `marker`.

    Raises:
        LtpError: `path` exists and `force` is false, or is something else than a `kind`.
    """
    path = path.absolute()
    check_new_directory(path, force, marker, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield work
        work.chmod(0o755)
        _move_into_place(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_new_directory(path: Path, force: bool, marker: str, kind: str) -> None:
    """Raises LtpError where `new_directory` would."""
    if path.exists() and not force:
        raise LtpError(f"{path} exists; choose another output path or pass --force")
    if path.exists() and not (path / marker).is_file():
        raise LtpError(f"{path} exists and is no {kind}; it will not be replaced")


def _move_into_place(work: Path, path: Path) -> None:
    """What exists steps aside, and comes back if the new one cannot take its place."""
    aside = work.with_name(f"{work.name}.old")
    try:
        if path.exists():
            os.replace(path, aside)
        os.replace(work, path)
    except BaseException:
        if aside.exists():
            os.replace(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)
