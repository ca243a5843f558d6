"""The files of a bundle: names that stay inside it, and the hashes they are known by."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ltp_deploy.errors import BundleError


class FileName(str):
    """A file in a bundle: a relative path with `/` between its parts, none of which is `..`."""

    __slots__ = ()

    def __new__(cls, name: str) -> FileName:
        path = PurePosixPath(name)
        inside = path.parts and not path.is_absolute() and ".." not in path.parts
        if not inside or str(path) != name or "\\" in name or "\0" in name:
            raise ValueError(f"the manifest names {name!r}, which is no path inside the bundle")
        return super().__new__(cls, name)


class FolderName(FileName):
    """A folder in a bundle, whose files are listed one by one."""

    __slots__ = ()


@dataclass(frozen=True)
class FileEntry:
    """What a file must be: `sha256` in hex, and its size in bytes."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256) or self.bytes < 0:
            raise ValueError(f"{self.sha256!r} and {self.bytes} are no hash and no size")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(directory: Path, without: tuple[str, ...]) -> dict[FileName, FileEntry]:
    """Every file below `directory` but those at its top that are named in `without`."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        if name not in without:
            check_regular(directory, FileName(name))
            found[FileName(name)] = FileEntry(file_hash(path), path.stat().st_size)
    return found


def named_files(record: Any) -> Iterator[FileName]:
    """Every file name in a dataclass, and in the dataclasses, mappings and tuples inside it."""
    if isinstance(record, FileName):
        yield record
    elif is_dataclass(record):
        for field in fields(record):
            yield from named_files(getattr(record, field.name))
    elif isinstance(record, Mapping):
        for entry in record.values():
            yield from named_files(entry)
    elif isinstance(record, tuple):
        for entry in record:
            yield from named_files(entry)


def check_files(
    directory: Path, names: Iterator[FileName], files: Mapping[FileName, FileEntry]
) -> None:
    """Check that all `names` are listed in `files`, and that the files are what the list says.

    Raises:
        BundleError: a name without a hash, a file that is missing, damaged, or no regular file; in
            a folder that is named, a file that is not listed.
    """
    for name in names:
        listed = name in files
        if isinstance(name, FolderName):
            listed = any(PurePosixPath(file).is_relative_to(name) for file in files)
        if not listed:
            raise BundleError(
                f"the manifest of {directory} names {name!r}, but lists no hash of it"
            )
        if isinstance(name, FolderName):
            _check_folder(directory, name, files)
    for name, entry in files.items():
        _check_file(directory, name, entry)


def _check_folder(directory: Path, name: FolderName, files: Mapping[FileName, FileEntry]) -> None:
    """Whoever reads a folder reads whatever lies in it, so all of it must be listed."""
    for path in sorted((directory / name).rglob("*")):
        folder = path.is_dir() and not path.is_symlink()
        if not folder and path.relative_to(directory).as_posix() not in files:
            raise BundleError(
                f"{path} is not in the manifest of {directory}; remove it, or rebuild the bundle"
            )


def _check_file(directory: Path, name: FileName, entry: FileEntry) -> None:
    check_regular(directory, name)
    path = directory / name
    size = path.stat().st_size
    if size != entry.bytes:
        raise BundleError(
            f"{path} is truncated or edited: {size} bytes, expected {entry.bytes}; "
            "copy the bundle again, or rebuild it"
        )
    if file_hash(path) != entry.sha256:
        raise BundleError(
            f"{path} was edited or damaged: its hash is not the recorded one; "
            "copy the bundle again, or rebuild it"
        )


def check_regular(directory: Path, name: FileName) -> None:
    """Refuse what could be a way out of the bundle, or would never end: links and devices."""
    path = directory
    for part in PurePosixPath(name).parts:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except OSError:
            raise BundleError(f"{directory} is incomplete: {name} is missing") from None
        if stat.S_ISLNK(mode):
            raise BundleError(
                f"{path} is a symbolic link; a bundle holds its files themselves, copy the file"
            )
    if not stat.S_ISREG(mode):
        raise BundleError(f"{path} is no regular file")
