"""What is scored, and how: all that decides about a job's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltp_deploy.errors import LtpError

PARQUET, CSV, JSONL = FORMATS = ("parquet", "csv", "jsonl")
ALL, NONE = "all", "none"  # what --keep may say in place of names
SHARD_ROWS = 1024


@dataclass(frozen=True)
class Input:
    """A file as it was when the job began.

    Attributes:
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Input:
        found = path.stat()
        return cls(str(path), found.st_size, found.st_mtime_ns)


@dataclass(frozen=True)
class Reading:
    """How rows become texts, and what of them is written again.

    Attributes:
        text_columns: as in `DataOptions`.
        keep: the columns that stand beside the answers: their names with commas between them,
            `ALL` or `NONE`.
        shard_rows: rows of a shard.
    """

    text_columns: str | None = None
    keep: str = ALL
    shard_rows: int = SHARD_ROWS


@dataclass(frozen=True)
class Answering:
    """How the bundle is opened, as `load` and `encode` have it."""

    long_texts: str = "truncate"
    stride: int | None = None
    pruning: float = 1.0
    prompt_name: str | None = None


@dataclass(frozen=True)
class Settings:
    """Two jobs with the same settings give the same answers.

    Attributes:
        bundle: the SHA-256 of its manifest, which has those of all its files.
        format: of the output, one of `FORMATS`.
        folder: whether the output is a folder of parts, or one file.
    """

    bundle: str
    inputs: tuple[Input, ...]
    format: str
    folder: bool
    reading: Reading
    answering: Answering

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}")


def output_format(output: Path, named: str | None) -> tuple[str, bool]:
    """(the format, whether the output is a folder of parts), by the output's name.

    Args:
        named: what --format says.

    Raises:
        LtpError: the name has another extension than a format, or contradicts --format.
    """
    ending = output.suffix.lower().removeprefix(".")
    if not ending:
        return named or PARQUET, True
    if ending not in FORMATS:
        raise LtpError(
            f"{output} ends in .{ending}; one file is written as .parquet, .csv or .jsonl, and a "
            "name without an extension is a folder of parts, in the format that --format says"
        )
    if named not in (None, ending):
        raise LtpError(f"{output} and --format {named} contradict each other")
    return ending, False


def differences(before: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """The settings that differ between two jobs, each with its two values.

    Args:
        before, now: as `to_json` gives them.
    """
    found = []
    for name, value in now.items():
        other = before.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            found += differences(other, value, f"{where}{name}.")
        elif isinstance(value, list) and value != other:
            found.append(_changed_input(other if isinstance(other, list) else [], value))
        elif value != other:
            found.append(f"{name.replace('_', '-')} was {other}, and is {value}")
    return found


def _changed_input(before: list[Any], now: list[Any]) -> str:
    old, new = ({entry["path"]: entry for entry in entries} for entries in (before, now))
    for path in {**old, **new}:
        if path not in old or path not in new:
            return f"{path} {'was' if path in old else 'was not'} among the inputs"
        if old[path] != new[path]:
            return f"{path} was changed"
    return "the inputs had another order"
