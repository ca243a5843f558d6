"""Changes of files that can be written down and repeated."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Place = list[str | int]  # keys and indices from a JSON document's root to a value


@dataclass(frozen=True)
class Edit:
    """A change of one file.

    Attributes:
        file: its name below the directory.
        how: a name in `EDITS`.
        at: a place in its JSON, or (begin, length) in bytes, both taken modulo its size.
        value: what goes there: JSON as text, which may be malformed, or bytes as hexadecimal.
    """

    file: str
    how: str
    at: tuple[str | int, ...] = ()
    value: str = ""

    def apply(self, directory: Path) -> None:
        """Change the file, which is written anew: its old content may have other links."""
        path = directory / self.file
        plain = path.is_file() and not path.is_symlink() and path.stat().st_size < HOLES
        old = path.read_bytes() if plain else b""
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        if self.how in SPECIAL:
            SPECIAL[self.how](path)
        elif (new := EDITS[self.how](old, list(self.at), self.value)) is not None:
            path.write_bytes(new)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> Edit:
        return cls(**{**entries, "at": tuple(entries["at"])})


def _splice(old: bytes, at: Place, value: str) -> bytes:
    begin, length = (int(number) % (len(old) + 1) for number in at)
    return old[:begin] + bytes.fromhex(value) + old[begin + length :]


def _cut(old: bytes, at: Place, value: str) -> bytes:
    return old[: int(at[0]) % (len(old) + 1)]


def _tree(old: bytes, at: Place, value: str | None) -> bytes:
    """The document with the JSON text `value` at a place; without the entry where it is None. A
    document that has no such place any more stays as it is."""
    try:
        document = json.loads(old)
        holder = document
        for key in at[:-1]:
            holder = holder[key]
        holder[at[-1]] = holder[at[-1]]  # it is there, and not a letter of a string
    except (ValueError, LookupError, TypeError):
        return old
    if value is None:
        del holder[at[-1]]
        return json.dumps(document).encode()
    mark = "a place for the value"
    holder[at[-1]] = mark
    return json.dumps(document).replace(json.dumps(mark), value).encode("utf-8", "surrogatepass")


def _drop(old: bytes, at: Place, value: str) -> bytes:
    return _tree(old, at, None)


def _header(old: bytes, at: Place, value: str) -> bytes:
    """The same in the header of a .safetensors file, whose length stands before it."""
    (length,) = struct.unpack("<Q", old[:8]) if len(old) >= 8 else (0,)
    header = _tree(old[8 : 8 + length], at, value)
    return struct.pack("<Q", len(header)) + header + old[8 + length :]


def _remove(old: bytes, at: Place, value: str) -> None:
    return None


EDITS: dict[str, Callable[[bytes, Place, str], bytes | None]] = {
    "splice": _splice,
    "cut": _cut,
    "set": _tree,
    "drop": _drop,
    "header": _header,
    "remove": _remove,
}

HOLES = 1 << 40  # bytes of a file that stores none of them

SPECIAL: dict[str, Callable[[Path], object]] = {
    "link": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "holes": lambda path: (path.touch(), os.truncate(path, HOLES)),
}
