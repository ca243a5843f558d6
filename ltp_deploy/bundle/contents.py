"""What lies in a bundle's directory: the files that its manifest lists, and nothing else.

Nothing is opened before it was looked at: a pipe or a device never ends, and what a large file of
holes reads as may take hours.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from ltp_deploy.errors import BundleError

SPARSE = 64  # a file of which less than one part in so many is stored is sparse


def check_contents(directory: Path, sizes: Mapping[str, int], besides: tuple[str, ...]) -> None:
    """Check that a directory holds these files, whole, and no others. None is opened.

    Args:
        sizes: of each file, its bytes, by its name in the directory.
        besides: files that are there as well.

    Raises:
        BundleError: a file that is missing, that is not listed, or of another size, or anything
            that is neither a regular file nor a folder.
    """
    found = {}
    folders = {str(folder) for name in sizes for folder in PurePosixPath(name).parents}
    for path in _below(directory, folders):
        name = path.relative_to(directory).as_posix()
        if name in sizes:
            found[name] = _regular(path).st_size
        elif name not in besides:
            raise BundleError(
                f"{path} is not in the manifest of {directory}; remove it, or rebuild the bundle"
            )
    for name, size in sizes.items():
        if name not in found:
            check_regular(directory, name)
            raise BundleError(f"{directory} is incomplete: {name} is missing")
        if found[name] != size:
            raise BundleError(
                f"{directory / name} is truncated or edited: {found[name]} bytes, expected "
                f"{size}; copy the bundle again, or rebuild it"
            )


def check_regular(directory: Path, name: str, most: int | None = None) -> None:
    """Refuse what could be a way out of the bundle, or would never end: links and devices.

    Args:
        most: the most bytes that the file may have.

    Raises:
        BundleError: it is missing, no regular file, lies behind a link, or is too large.
    """
    path = directory
    for part in PurePosixPath(name).parts:
        _refuse_link(path := path / part)
        if not os.path.lexists(path):
            raise BundleError(f"{directory} is incomplete: {name} is missing")
    size = _regular(path).st_size
    if most is not None and size > most:
        raise BundleError(
            f"{path} has {size} bytes, and no bundle's has more than {most}; copy the bundle "
            "again, or rebuild it"
        )


def is_sparse(path: Path) -> bool:
    """Whether a file is nearly all holes, so that reading it may take hours, and any memory."""
    found = path.stat()
    if found.st_blocks * 512 * SPARSE >= found.st_size:
        return False
    # Some file systems do not say how much they store, and some store zeros as holes.
    with path.open("rb", buffering=0) as file:
        return os.lseek(file.fileno(), 0, os.SEEK_HOLE) < found.st_size


def _below(directory: Path, folders: set[str]) -> Iterator[Path]:
    """All that is in a directory and in those of its folders, but the folders themselves."""
    waiting = [directory]
    while waiting:
        folder = waiting.pop()
        try:
            paths = sorted(folder.iterdir())
        except OSError as error:
            raise BundleError(f"{folder} cannot be read: {error.strerror}") from None
        for path in paths:
            if path.relative_to(directory).as_posix() not in folders:
                yield path
                continue
            _refuse_link(path)
            waiting.append(path)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise BundleError(
            f"{path} is a symbolic link; a bundle holds its files themselves, copy the file"
        )


def _regular(path: Path) -> os.stat_result:
    """What the system says of a file that may be opened."""
    _refuse_link(path)
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{path} is no regular file")
    if is_sparse(path):
        raise BundleError(
            f"{path} is {found.st_size} bytes, nearly all of them holes; copy the bundle again, or "
            "rebuild it"
        )
    return found
