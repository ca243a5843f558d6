"""The files of a bundle: names that stay inside it, and the digests they are known by."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.errors import BundleError

PIECE = 4 << 20  # bytes that are hashed at once, see `FileEntry`


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
    """What a file must be.

    Attributes:
        digest: in hex, the SHA-256 of the SHA-256s (32 bytes each) of its pieces of 4 MiB, one
            after another, so that they can be found at the same time; the last piece may be
            shorter, and an empty file has none.
        bytes: its size.
    """

    digest: str
    bytes: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.digest) or self.bytes < 0:
            raise ValueError(f"{self.digest!r} and {self.bytes} are no digest and no size")


class BundleFiles:
    """The files of a bundle's directory, each opened once: what was checked is what is used."""

    def __init__(self, directory: str | Path):
        self.directory = Path(directory)
        self._open: dict[FileName, MappedFile] = {}

    @classmethod
    def of(cls, bundle: str | Path | BundleFiles) -> BundleFiles:
        """Of a directory; or those that are given."""
        return bundle if isinstance(bundle, BundleFiles) else cls(bundle)

    def file(self, name: FileName) -> MappedFile:
        """A file's contents.

        Raises:
            BundleError: it is missing, no regular file, or cannot be read.
        """
        if name not in self._open:
            check_regular(self.directory, name)
            path = self.directory / name
            try:
                self._open[name] = MappedFile(path)
            except OSError as error:
                raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
        return self._open[name]

    def listing(self, without: tuple[str, ...]) -> dict[FileName, FileEntry]:
        """Every file below the directory but those at its top that are named in `without`."""
        names = []
        for path in sorted(self.directory.rglob("*")):
            name = path.relative_to(self.directory).as_posix()
            if (path.is_symlink() or not path.is_dir()) and name not in without:
                names.append(FileName(name))
        return self._entries(names)

    def check(self, names: Iterator[FileName], entries: Mapping[FileName, FileEntry]) -> None:
        """Check that all `names` are listed in `entries`, and that the files are what they say.

        Raises:
            BundleError: a name without a digest, a file that is missing, damaged, or no regular
                file; in a folder that is named, a file that is not listed.
        """
        for name in names:
            listed = name in entries
            if isinstance(name, FolderName):
                listed = any(PurePosixPath(file).is_relative_to(name) for file in entries)
            if not listed:
                raise BundleError(
                    f"the manifest of {self.directory} names {name!r}, but lists no digest of it"
                )
            if isinstance(name, FolderName):
                self._check_folder(name, entries)
        for name, entry in entries.items():
            if (size := len(self.file(name).data)) != entry.bytes:
                raise BundleError(
                    f"{self.directory / name} is truncated or edited: {size} bytes, expected "
                    f"{entry.bytes}; copy the bundle again, or rebuild it"
                )
        for name, found in self._entries(entries).items():
            if found != entries[name]:
                raise BundleError(
                    f"{self.directory / name} was edited or damaged: its digest is not the "
                    "recorded one; copy the bundle again, or rebuild it"
                )

    def _check_folder(self, name: FolderName, entries: Mapping[FileName, FileEntry]) -> None:
        """Whoever reads a folder reads whatever lies in it, so all of it must be listed."""
        for path in sorted((self.directory / name).rglob("*")):
            folder = path.is_dir() and not path.is_symlink()
            if not folder and path.relative_to(self.directory).as_posix() not in entries:
                raise BundleError(
                    f"{path} is not in the manifest of {self.directory}; remove it, or rebuild the "
                    "bundle"
                )

    def _entries(self, names: Iterable[FileName]) -> dict[FileName, FileEntry]:
        """What files are, from all of their pieces at the same time."""
        data = {name: self.file(name).data for name in names}
        pieces = [(name, start) for name, d in data.items() for start in range(0, len(d), PIECE)]

        def digest(piece: tuple[FileName, int]) -> bytes:
            name, start = piece
            return hashlib.sha256(data[name][start : start + PIECE]).digest()

        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "ltp-digests") as pool:
            found = zip(pieces, pool.map(digest, pieces), strict=True)
        hashes = {name: hashlib.sha256() for name in data}
        for (name, _), piece in found:
            hashes[name].update(piece)
        return {n: FileEntry(hashes[n].hexdigest(), len(data[n])) for n in data}


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
