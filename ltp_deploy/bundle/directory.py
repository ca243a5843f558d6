"""Directories and files that appear whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ltp_deploy.bundle.unfinished import check_alone, unfinished
from ltp_deploy.errors import LtpError

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV)


@contextmanager
def new_directory(path: Path, force: bool, marker: str, kind: str) -> Iterator[Path]:
    """A temporary directory that becomes `path` when the block succeeds, and vanishes when not.

    Where `path` is a symbolic link, its target is meant. It may be an empty directory. At every
    moment it is what it was, or the new one.

    Args:
        force: replace what is there, if it is a `kind`: a directory that holds a file `marker`.

    Raises:
        LtpError: `path` exists and `force` is false, or is something else than a `kind`; another
            run writes it, or has written it meanwhile.
    """
    check_new_directory(path, force, marker, kind)
    path = Path(os.path.realpath(path))
    with unfinished(path) as work:
        yield work
        work.chmod(0o755)
        try:
            os.rename(work, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            if not force:
                raise LtpError(f"{path} was written by another run meanwhile") from None
            _check_replaced(path, marker, kind)  # what lies there now
            _exchange(work, path)


def check_new_directory(path: Path, force: bool, marker: str, kind: str) -> None:
    """Raises LtpError where `new_directory` would."""
    path = Path(os.path.realpath(path))
    if path.is_symlink():
        raise LtpError(f"{path} is a symbolic link that leads to itself; remove it")
    check_alone(path)
    aside = _aside(path)
    if aside.is_dir() and not path.exists():
        os.rename(aside, path)  # a run was killed within `_exchange`
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not empty:
        if not force:
            raise LtpError(f"{path} exists; choose another output path or pass --force")
        _check_replaced(path, marker, kind)


def check_new_file(path: Path, force: bool) -> None:
    """Raises LtpError: there is something at the path already, and `force` is false."""
    if path.exists() and not force:
        raise LtpError(f"{path} exists; choose another output path or pass --force")


def _check_replaced(path: Path, marker: str, kind: str) -> None:
    if not (path / marker).is_file():
        raise LtpError(f"{path} exists and is no {kind}; it will not be replaced")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block succeeds, replacing what is there; a
    device or a pipe is written as it is."""
    if path.exists() and not path.is_file():
        yield path
        return
    path = Path(os.path.realpath(path))
    with unfinished(path) as work:
        yield work / path.name
        os.replace(work / path.name, path)


def _exchange(work: Path, path: Path) -> None:
    """Let two directories change places, at once where the file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_HERE, os.fsencode(work), _HERE, os.fsencode(path), _EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number not in _CANNOT:
        raise OSError(number, os.strerror(number), str(path))
    aside = _aside(path)  # where the next run finds it, if this is where it ends
    os.rename(path, aside)
    try:
        os.rename(work, path)
    except BaseException:
        os.rename(aside, path)
        raise
    os.rename(aside, work)


def _aside(path: Path) -> Path:
    """Where a directory is that is being replaced, for a moment."""
    return path.with_name(f".{path.name}.replaced")
