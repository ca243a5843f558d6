"""Task data: TSV, CSV or JSONL files, or a `datasets` name."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltp_deploy.data.metrics import GLUE
from ltp_deploy.errors import LtpError

# Column names that the common benchmarks use, in order of preference.
PAIRS = (
    ("text_a", "text_b"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "passage"),
)
SINGLES = ("text", "sentence", "review", "content")
LABELS = ("label", "labels", "score")


@dataclass(frozen=True)
class DataOptions:
    """How to read a data set and score answers on it; None means found by name, or all rows."""

    text_columns: str | None = None
    label_column: str | None = None
    split: str = "validation"
    limit: int | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Examples:
    """Texts (strings, or pairs of them), their labels, None where the data has none, and the
    metric that scores answers, None for the usual one of the kind of task."""

    texts: list[str | tuple[str, str]]
    labels: list[float | str] | None
    metric: str | None = None

    def __len__(self) -> int:
        return len(self.texts)


def read_examples(source: str, options: DataOptions | None = None) -> Examples:
    """Read a data file by its extension, or a data set by name (`sst2`, `glue/mrpc`).

    Raises:
        LtpError: unreadable, empty, columns not found, a row with missing values.
    """
    options = options or DataOptions()
    rows = list(_rows(source, options))[: options.limit]
    if not rows:
        raise LtpError(f"{source} holds no rows")
    texts = _text_columns(source, rows[0], options.text_columns)
    label = _label_column(source, rows[0], options.label_column)
    examples: list[str | tuple[str, str]] = []
    for number, row in enumerate(rows, 1):
        values: list[Any] = [row.get(name) for name in texts]
        if not all(isinstance(v, str) for v in values):
            raise LtpError(f"{source}, row {number}: column {texts} is missing or no text: {row}")
        examples.append(values[0] if len(values) == 1 else (values[0], values[1]))
    labels = [_label(source, i, row.get(label)) for i, row in enumerate(rows, 1)] if label else None
    metric = options.metric or GLUE.get(source.removeprefix("glue/"))
    return Examples(examples, labels, metric)


def _rows(source: str, options: DataOptions) -> Iterable[dict[str, Any]]:
    path = Path(source)
    if path.suffix in (".tsv", ".csv", ".jsonl"):
        if not path.is_file():
            raise LtpError(f"there is no data file {path}")
        return _jsonl(path) if path.suffix == ".jsonl" else _delimited(path)
    if path.exists():
        raise LtpError(f"{path} is no data file; expected the extension .tsv, .csv or .jsonl")
    return _dataset(source, options.split)


def _delimited(path: Path) -> Iterable[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)  # the default refuses texts above 128 KiB
    file = io.StringIO(_text(path), newline="")
    if path.suffix == ".tsv":
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        yield from csv.DictReader(file)


def _jsonl(path: Path) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise LtpError(f"{path}, line {number} is not valid JSON: {error}") from None
        if not isinstance(row, dict):
            raise LtpError(f"{path}, line {number} must hold a JSON object")
        yield row


def _text(path: Path) -> str:
    """The file's text, without a byte order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LtpError(f"{path} is not UTF-8 text: {error}") from None


def _dataset(name: str, split: str) -> Iterable[dict[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise LtpError(
            f"{name!r} is no file; to read it as a data set by name, `pip install datasets`"
        ) from None
    try:
        repository, _, subset = name.partition("/") if name.startswith("glue/") else (name, "", "")
        return datasets.load_dataset(repository, subset or None, split=split)
    except Exception as error:  # the library raises many kinds
        raise LtpError(f"datasets cannot load {name!r}, split {split!r}: {error}") from error


def _text_columns(source: str, row: dict[str, Any], named: str | None) -> tuple[str, ...]:
    if named:
        columns = tuple(named.split(","))
        absent = [c for c in columns if c not in row]
        if len(columns) > 2:
            raise LtpError(f"a model reads one text or two, not {len(columns)}: {named!r}")
        if absent:
            raise LtpError(f"{source} has no text columns {named!r}; its columns are {list(row)}")
        return columns
    for pair in PAIRS:
        if all(c in row for c in pair):
            return pair
    for single in SINGLES:
        if single in row:
            return (single,)
    raise LtpError(f"{source}: which columns hold text? found {list(row)}; use --text-columns")


def _label_column(source: str, row: dict[str, Any], named: str | None) -> str | None:
    if named and named not in row:
        raise LtpError(f"{source} has no label column {named!r}; its columns are {list(row)}")
    return named or next((c for c in LABELS if c in row), None)


def _label(source: str, number: int, value: Any) -> float | str:
    """A number where it reads as one, else the name of a class."""
    if value is None or value == "":
        raise LtpError(f"{source}, row {number}: the label is missing")
    if isinstance(value, (list, dict)):
        raise LtpError(
            f"{source}, row {number}: one label for each text is needed, found {value!r:.80}; "
            "labels of tokens and spans of answers are not supported, only classification and "
            "regression"
        )
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)
