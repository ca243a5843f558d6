"""Rows of Parquet files, from any place on."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ltp_deploy.score.parquet_file import ParquetRows, values

ROWS = 57


@pytest.fixture
def file(tmp_path: Path) -> Path:
    table = pa.table({"text": [f"text {i}" for i in range(ROWS)], "id": range(ROWS)})
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=10)
    return tmp_path / "in.parquet"


@pytest.mark.parametrize("size", [1, 4, 10, 13, 60])
def test_rows_forwards_backwards_and_with_gaps(size: int, file: Path) -> None:
    starts = list(range(0, ROWS, size))
    orders = [starts, starts[::-1], starts[::2], random.Random(size).sample(starts, len(starts))]
    for order in orders:
        rows = ParquetRows(file, ["id"])
        assert rows.count == ROWS
        for first in order:
            end = min(first + size, ROWS)
            found = rows.read(first, end - first)
            assert found.column_names == ["id"]
            assert found["id"].to_pylist() == list(range(first, end))


def test_row_groups_before_the_first_row_are_not_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    own = parquet.ParquetFile.iter_batches

    def iterate(self: parquet.ParquetFile, **options: object) -> object:
        read.append(list(options["row_groups"]))
        return own(self, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", iterate)
    rows = ParquetRows(file)
    for first in (0, 5, 31, 36):
        rows.read(first, 5)
    assert read == [[0, 1, 2, 3, 4, 5], [3, 4, 5]]


def test_strings_that_are_not_utf_8_are_bytes() -> None:
    raw = pa.chunked_array([pa.array([b"good", b"caf\xe9", None]), pa.array([b"bad"])])
    texts = pa.chunked_array(
        [pa.StringArray.from_buffers(len(c), *c.buffers()[1:], c.buffers()[0]) for c in raw.chunks]
    )
    assert values(texts) == ["good", b"caf\xe9", None, "bad"]
