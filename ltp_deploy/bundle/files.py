"""The files of a bundle: names that stay inside it, and the digests they are known by."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ltp_deploy.bundle.contents import check_contents, check_regular
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

    def holds(self, file: FileName) -> bool:
        """Whether a file lies in the folder, or in one of its folders."""
        return file.startswith(f"{self}/")


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
        self._checked: tuple[FileName, ...] | None = None

    @classmethod
    def of(cls, bundle: str | Path | BundleFiles) -> BundleFiles:
        """Of a directory; or those that are given."""
        return bundle if isinstance(bundle, BundleFiles) else cls(bundle)

    def file(self, name: FileName, most: int | None = None) -> MappedFile:
        """A file's contents.

        Args:
            most: the most bytes that it may have, where it was not checked.

        Raises:
            BundleError: it is missing, no regular file, too large, or cannot be read.
        """
        if name not in self._open:
            path = self.directory / name
            try:
                check_regular(self.directory, name, most)
                self._open[name] = MappedFile(path)
            except OSError as error:
                raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
        return self._open[name]

    def folder(self, folder: FolderName) -> dict[str, MappedFile]:
        """The files in a folder, by their names in it: those that were checked, or all that are
        there where nothing was."""
        names = self._all() if self._checked is None else self._checked
        return {n.removeprefix(f"{folder}/"): self.file(n) for n in names if folder.holds(n)}

    def only(self, folder: FolderName) -> BundleFiles:
        """The files of a folder alone, as they are now; the others are let go with this object."""
        files = BundleFiles(self.directory)
        files._open = {FileName(f"{folder}/{n}"): file for n, file in self.folder(folder).items()}
        files._checked = tuple(files._open)
        return files

    def listing(self, without: tuple[str, ...]) -> dict[FileName, FileEntry]:
        """Every file below the directory but those at its top that are named in `without`."""
        return self._entries([name for name in self._all() if name not in without])

    def check(
        self,
        names: Iterator[FileName],
        entries: Mapping[FileName, FileEntry],
        besides: tuple[str, ...] = (),
    ) -> None:
        """Check that all `names` are listed in `entries`, and that the directory holds what they
        say and, but for `besides`, nothing else.

        Raises:
            BundleError: a name without a digest, a file that is missing, damaged, not listed, or no
                regular file.
        """
        for name in names:
            listed = name in entries
            if isinstance(name, FolderName):
                listed = any(name.holds(file) for file in entries)
            if not listed:
                raise BundleError(
                    f"the manifest of {self.directory} names {name!r}, but lists no digest of it"
                )
        sizes = {str(name): entry.bytes for name, entry in entries.items()}
        try:
            check_contents(self.directory, sizes, besides)
        except OSError as error:
            raise BundleError(f"{self.directory} cannot be read: {error}") from None
        for name, found in self._entries(entries).items():
            if found != entries[name]:
                raise BundleError(
                    f"{self.directory / name} was edited or damaged: its digest is not the "
                    "recorded one; copy the bundle again, or rebuild it"
                )
        self._checked = tuple(entries)

    def _all(self) -> list[FileName]:
        """Every file below the directory, and whatever else is no folder."""
        return [
            FileName(path.relative_to(self.directory).as_posix())
            for path in sorted(self.directory.rglob("*"))
            if path.is_symlink() or not path.is_dir()
        ]

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
