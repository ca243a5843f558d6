"""The shards of a job, and the columns that they are read by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ltp_deploy.data.columns import named_columns, text_columns, unread_labels
from ltp_deploy.data.groups import read_groups
from ltp_deploy.errors import LtpError
from ltp_deploy.progress import Progress
from ltp_deploy.score.inputs import kind
from ltp_deploy.score.parquet_file import ParquetRows, values
from ltp_deploy.score.settings import ALL, JSONL, NONE, PARQUET, Reading
from ltp_deploy.score.text_files import TextFile

SAMPLE = 100  # rows by which columns with text are found


@dataclass(frozen=True)
class Shard:
    """Rows that stand one after another in a file.

    Attributes:
        number: among all shards, in the order of the rows.
        file: the file's number among the inputs.
        first: the first row's number in the file, counted from 0.
        before: rows of all files before the first one.
        offset: bytes of a text file, uncompressed, before it.
    """

    number: int
    file: int
    first: int
    rows: int
    before: int
    offset: int


@dataclass(frozen=True)
class Columns:
    """What is read of each row.

    Attributes:
        texts: one column, or two with pairs.
        kept: columns that are written again; None for whatever a row has.
    """

    texts: tuple[str, ...]
    kept: tuple[str, ...] | None


def find_columns(files: Sequence[Path], reading: Reading, output: str) -> Columns:
    """The columns with texts and those that are kept, by the first rows of the first file.

    Raises:
        LtpError: they are not clear or not there, the files do not agree on them, or a row of JSON
            is to become a row of a table of unknown columns.
    """
    first, source = files[0], str(files[0])
    columns, rows = _first_rows(first)
    if not rows:
        if len(files) > 1:  # a file without rows does not say what is in the others
            return find_columns(files[1:], reading, output)
        raise LtpError(f"{source} holds no rows")
    labels = unread_labels(columns, None)
    if read_groups(source, rows, columns, reading.text_columns, None, False) is not None:
        raise LtpError(
            f"{source} has a query and several passages in a row; write a row for each pair, with "
            "columns query and passage"
        )
    texts = text_columns(source, rows, columns, reading.text_columns, set(labels))
    kept: tuple[str, ...] | None = tuple(columns)
    if reading.keep == NONE:
        kept = ()
    elif reading.keep != ALL:
        kept = named_columns(reading.keep, columns, f"{source} has no columns")
    elif kind(first) == ".jsonl":
        if output != JSONL:
            raise LtpError(
                f"rows of JSON have no fixed columns, and a file of {output} has: say with --keep "
                f"A,B which stand beside the answers, or --keep none; found {columns}"
            )
        kept = None
    if kind(first) == ".parquet":
        _check_schemas(files, texts, kept or (), output)
    return Columns(texts, kept)


def _first_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """(names of the columns, the first rows)."""
    if kind(path) == ".parquet":
        file = ParquetRows(path)
        rows = min(SAMPLE, file.count)
        table = file.read(0, rows) if rows else file.schema.empty_table()
        file.close()
        by_column = {name: values(table[name]) for name in set(table.column_names)}
        return table.column_names, [
            {name: column[i] for name, column in by_column.items()} for i in range(rows)
        ]
    text = TextFile(path)
    found = [row.values for row in islice(text, SAMPLE)]
    text.close()
    columns = text.columns or tuple(dict.fromkeys(name for row in found for name in row))
    return list(columns), found


def _check_schemas(
    files: Sequence[Path], texts: Sequence[str], kept: Sequence[str], output: str
) -> None:
    """Refuse Parquet files that do not agree, or whose columns cannot be written again."""
    import pyarrow

    expected = None
    for path in files:
        schema = ParquetRows(path).schema
        for name in {*texts, *kept}:
            if schema.get_all_field_indices(name) != [schema.get_field_index(name)] or (
                schema.get_field_index(name) < 0
            ):
                raise LtpError(f"{path} must have one column {name!r}; it has {schema.names}")
        types = {name: schema.field(name).type for name in {*texts, *kept}}
        expected = expected or types
        for name, found in types.items():
            if found != expected[name]:
                raise LtpError(
                    f"{path}: the column {name!r} has the type {found}, and {expected[name]} in "
                    f"{files[0]}; score them one after another, or leave it out with --keep"
                )
            binary = pyarrow.types.is_binary(found) or pyarrow.types.is_large_binary(found)
            if binary and name in kept and output != PARQUET:
                raise LtpError(
                    f"the column {name!r} holds bytes, which {output} cannot; leave it out with "
                    "--keep, or write .parquet"
                )


def cut(files: Sequence[Path], size: int) -> list[Shard]:
    """All rows as shards of `size` rows; the last one of a file may have fewer. Text files are read
    once to count their rows.

    Raises:
        LtpError: a file is malformed, or has other columns than the first one; there are no rows.
    """
    found: list[Shard] = []
    before = 0
    header: tuple[str, ...] | None = None
    with Progress("counting rows", unit="row", leave=False) as progress:
        for number, path in enumerate(files):
            if kind(path) == ".parquet":
                starts: dict[int, int] = {}
                count = ParquetRows(path).count
            else:
                file = TextFile(path)
                header = header or file.columns
                _check_header(path, file, header, files[0])
                starts, count = _starts(file, size, progress)
            for first in range(0, count, size):
                rows, offset = min(size, count - first), starts.get(first, 0)
                found.append(Shard(len(found), number, first, rows, before + first, offset))
            before += count
    if not found:
        raise LtpError(f"{', '.join(map(str, files[:3]))}: there are no rows")
    return found


def _check_header(path: Path, file: TextFile, header: tuple[str, ...], first: Path) -> None:
    if file.kind != ".jsonl" and file.columns != header:
        raise LtpError(
            f"{path} has the columns {list(file.columns)}, and {first} has {list(header)}; score "
            "them one after another"
        )


def _starts(file: TextFile, size: int, progress: Progress) -> tuple[dict[int, int], int]:
    """(the position of each shard's first row, the number of rows)."""
    starts, count = {0: file.position}, 0
    for _ in file.skim():
        count += 1
        if count % size == 0:
            starts[count] = file.position
            progress.update(size)
    file.close()
    return starts, count
