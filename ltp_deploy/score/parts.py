"""Parts of the output: the rows of a shard with their answers, and all of them as one file."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltp_deploy.score.answers import Answers
from ltp_deploy.score.parquet_file import values
from ltp_deploy.score.rows import cell, encodable, to_json
from ltp_deploy.score.settings import CSV, PARQUET

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION = "zstd"


def part_name(number: int, format: str) -> str:
    return f"part-{number:06}.{format}"


def write_part(
    path: Path,
    format: str,
    kept: Any,
    names: Sequence[str] | None,
    answers: Answers,
    schema: pa.Schema,
) -> None:
    """Write rows with their answers.

    Args:
        kept: the rows, as `Rows` has them.
        names: the columns of them that are written; None for whatever a row has.
        schema: of the answers.
    """
    if format == PARQUET:
        _write_parquet(path, kept, names or (), answers, schema)
        return
    rows = kept if isinstance(kept, list) else by_row({n: values(kept[n]) for n in names or ()})
    if names is not None:
        rows = [{name: row.get(name) for name in names} for row in rows]
    found = zip(rows or [{}] * len(answers[schema.names[0]]), by_row(answers), strict=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        if format == CSV:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(map(encodable, [*(names or ()), *answers]))
            writer.writerows([*map(cell, row.values()), *map(cell, a.values())] for row, a in found)
        else:
            file.writelines(encodable(to_json({**row, **a})) + "\n" for row, a in found)


def by_row(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns of one length as rows."""
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _write_parquet(
    path: Path, kept: Any, names: Sequence[str], answers: Answers, schema: pa.Schema
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    if isinstance(kept, pa.Table):
        columns = {name: kept[name] for name in names}
    else:
        texts = {name: [cell(row.get(name)) for row in kept] for name in names}
        columns = {name: pa.array(column, pa.string()) for name, column in texts.items()}
    for field in schema:
        columns[field.name] = pa.array(answers[field.name], field.type)
    parquet.write_table(pa.table(columns), path, compression=COMPRESSION)


def join_parts(parts: Sequence[Path], path: Path, format: str) -> None:
    """Write the rows of all parts, in their order, into one file."""
    if format == PARQUET:
        _join_parquet(parts, path)
        return
    with path.open("wb") as file:
        for i, part in enumerate(parts):
            with part.open("rb") as source:
                if format == CSV and i > 0:
                    _skip_header(source)
                shutil.copyfileobj(source, file, 1 << 20)


def _join_parquet(parts: Sequence[Path], path: Path) -> None:
    from pyarrow import parquet

    schema = parquet.read_schema(parts[0])
    with parquet.ParquetWriter(path, schema, compression=COMPRESSION) as writer:
        for part in parts:
            writer.write_table(parquet.read_table(part, schema=schema))


def _skip_header(file: io.BufferedReader) -> None:
    """Go on with the first row of a part of CSV; the names of columns may hold lines."""
    quotes = 0
    while line := file.readline():
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            return
