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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ltp_deploy.errors import LtpError, said

_SUFFIX = ".partial"
_ROOM = 1 << 20  # bytes; where there are fewer, a disk is as good as full
_journal: Path | None = None  # where the paths are written that a process would leave


@contextmanager
def unfinished(output: Path) -> Iterator[Path]:
    """A new directory beside `output`, and folders above it that are missing; at the end it is
    removed, and so are those folders where they are empty.

    Raises:
        LtpError: what went wrong while the disk, or that of temporary files, was full, which
            libraries say in many ways, or do not.
    """
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
        except Exception as error:
            if full := no_room([work, Path(tempfile.gettempdir())]):
                raise LtpError(f"{said(error)}; {full}") from error
            raise
        finally:
            os.close(lock)
    finally:
        if os.getpid() == owner:  # and not a process that it forked
            for path in made:
                remove(path)


def no_room(folders: Iterable[Path]) -> str:
    """Which of these folders takes no more data, and why; "" where all of them do."""
    for folder in folders:
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                os.posix_fallocate(file.fileno(), 0, _ROOM)
        except OSError as error:
            place = folder.parent if folder.name.endswith(_SUFFIX) else folder
            return f"{place.absolute()} takes no more data: {error.strerror}"
    return ""


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


def journalled(journal: Path) -> list[Path]:
    """What a process left that has ended: each path after those in it."""
    if not journal.exists():
        return []
    names = reversed(journal.read_bytes().split(b"\0")[:-1])
    return [path for name in names if (path := Path(os.fsdecode(name))).exists()]


def _write_down(path: Path) -> None:
    if _journal is not None:
        with _journal.open("ab") as file:
            file.write(os.fsencode(path) + b"\0")


def _make(output: Path) -> tuple[Path, int]:
    """A new directory and the descriptor of its lock."""
    while True:
        made = tempfile.mkdtemp(prefix=f".{output.name}.", suffix=_SUFFIX, dir=output.parent)
        work = Path(made)
        try:
            _write_down(work)
            lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another run took it for a leftover, before it was locked
            continue
        except OSError:
            remove(work)
            raise
        with suppress(OSError):  # a file system without locks has no leftovers found either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if work.exists():
            return work, lock
        os.close(lock)


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


def remove(path: Path) -> None:
    """Remove a directory that `unfinished` made, or a folder above it if that is empty."""
    if path.name.endswith(_SUFFIX):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.rmdir()
