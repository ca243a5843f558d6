"""The files that are scored: named, in folders, or by patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from ltp_deploy.errors import LtpError

TEXT = (".csv", ".tsv", ".jsonl")
COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")  # as pyarrow finds them by their names
KNOWN = ".parquet, .csv, .tsv or .jsonl, the last three also with " + ", ".join(COMPRESSED)


def kind(path: Path) -> str | None:
    """ ".parquet", or one of `TEXT`; None of files that are not read."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        return ".parquet"
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return next((ending for ending in TEXT if name.endswith(ending)), None)


def find_files(inputs: Sequence[str], output: Path) -> list[Path]:
    """The files, absolute; those of a folder and of a pattern in the order of their names.

    A folder stands for all files below it but those whose name, or a folder's on the way, begins
    with a dot or an underscore, as Spark's marks do.

    Args:
        output: which must not lie among them.

    Raises:
        LtpError: there is none, one that is not read or stands there twice, or files of several
            kinds.
    """
    found = [path for given in inputs for path in _files(given, output)]
    kinds = {kind(path): path for path in reversed(found)}
    if None in kinds:
        hint = "; write an object on each line of a .jsonl file" if _is_json(kinds[None]) else ""
        raise LtpError(f"{kinds[None]} is not read: the files are {KNOWN}{hint}")
    if len(kinds) > 1:
        first, second, *_ = kinds.values()
        raise LtpError(f"{first} and {second} are of different kinds; score them one after another")
    seen = set()
    for path in found:
        if path in seen:
            raise LtpError(f"{path} stands twice among the inputs")
        seen.add(path)
    if output.absolute() in seen:
        raise LtpError(f"{output} is one of the inputs; choose another output")
    return found


def _files(given: str, output: Path) -> list[Path]:
    path = Path(given)
    if path.is_dir():
        folder = path.absolute()
        if output.absolute().is_relative_to(folder):
            raise LtpError(f"{output} lies in the folder {path}, which is scored; write elsewhere")
        found = sorted(file for file in folder.rglob("*") if file.is_file())
        found = [f for f in found if not any(_hidden(part) for part in f.relative_to(folder).parts)]
        if not found:
            raise LtpError(f"{path} holds no files")
        return found
    if path.exists():
        return [path.absolute()]
    if glob.has_magic(given):
        matches = [Path(match) for match in glob.glob(given, recursive=True)]
        found = sorted(match.absolute() for match in matches if match.is_file())
        if not found:
            raise LtpError(f"no file matches {given}")
        return found
    raise LtpError(f"there is no file or folder {given}")


def _hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _is_json(path: Path) -> bool:
    return ".json" in path.name.lower()
