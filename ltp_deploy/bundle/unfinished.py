"""What is being written: hidden directories beside outputs, gone when their run has ended.

A directory is locked by the process that made it. What a killed one left is therefore known by its
name and its free lock, and the next run into the same output removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ltp_deploy.errors import LtpError

_SUFFIX = ".partial"
_journal: Path | None = None  # where the paths are written that a process would leave


@contextmanager
def unfinished(output: Path) -> Iterator[Path]:
    """A new directory beside `output`, and folders above it that are missing; at the end it is
    removed, and so are those folders where they are empty."""
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    for folder in reversed(made):
        _write_down(folder)
    owner = os.getpid()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(output)
        work, lock = _make(output)
        made.insert(0, work)
        try:
            yield work
        finally:
            os.close(lock)
    finally:
        if os.getpid() == owner:  # and not a process that it forked
            for path in made:
                _remove(path)


def check_alone(output: Path) -> None:
    """Raises LtpError if another process writes the output now."""
    for work in _beside(output):
        if (lock := _try_lock(work)) is None:
            raise LtpError(
                f"another run writes {output} at this moment, in {work}; remove that if none does"
            )
        os.close(lock)


def keep_journal(journal: Path) -> None:
    """Write down in a file, from now on, what this process leaves if it is killed."""
    global _journal
    _journal = journal


def remove_journalled(journal: Path) -> None:
    """Remove what a process left that has ended."""
    if journal.exists():
        for name in reversed(journal.read_bytes().split(b"\0")[:-1]):
            _remove(Path(os.fsdecode(name)))


def _write_down(path: Path) -> None:
    if _journal is not None:
        with _journal.open("ab") as file:
            file.write(os.fsencode(path) + b"\0")


def _make(output: Path) -> tuple[Path, int]:
    """A new directory and the descriptor of its lock."""
    while True:
        work = tempfile.mkdtemp(prefix=f".{output.name}.", suffix=_SUFFIX, dir=output.parent)
        _write_down(Path(work))
        lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # a file system without locks has no leftovers found either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(work):
            return Path(work), lock
        os.close(lock)  # another run took it for a leftover, before it was locked


def _remove_leftovers(output: Path) -> None:
    for work in _beside(output):
        if (lock := _try_lock(work)) is not None:
            shutil.rmtree(work, ignore_errors=True)
            os.close(lock)


def _beside(output: Path) -> list[Path]:
    """The directories of runs into an output, dead or alive."""
    if not output.parent.is_dir():
        return []
    name = re.compile(re.escape(f".{output.name}.") + "[a-z0-9_]{8}" + re.escape(_SUFFIX))
    return [path for path in output.parent.iterdir() if name.fullmatch(path.name)]


def _try_lock(work: Path) -> int | None:
    """A descriptor that holds the lock, None where another process does."""
    try:
        lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove(path: Path) -> None:
    """Remove a directory that `unfinished` made, or a folder above it if that is empty."""
    if path.name.endswith(_SUFFIX):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.rmdir()
