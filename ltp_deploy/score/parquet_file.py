"""Rows of .parquet files, read forwards, a shard at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltp_deploy.errors import LtpError

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetRows:
    """One file. Row groups that hold nothing of what is asked for are not read, and of the others
    no more than a batch is in memory.

    Attributes:
        schema: of all columns.
        count: rows of the file.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        """
        Args:
            columns: those that are read; None for all.

        Raises:
            LtpError: it is no Parquet file, or damaged.
        """
        import pyarrow
        from pyarrow import parquet

        self.path = path
        self._columns = None if columns is None else list(columns)
        self._errors = (pyarrow.ArrowException, OSError)
        try:
            self._file = parquet.ParquetFile(path)
            self.schema: pa.Schema = self._file.schema_arrow
        except self._errors as error:
            raise self._unreadable(error) from None
        self.count = int(self._file.metadata.num_rows)
        groups = range(self._file.num_row_groups)
        sizes = [self._file.metadata.row_group(i).num_rows for i in groups]
        self._starts = [0, *accumulate(sizes[:-1])]
        self._batches: Iterator[pa.RecordBatch] | None = None
        self._position, self._left = 0, None

    def close(self) -> None:
        self._file.close()

    def read(self, first: int, rows: int) -> pa.Table:
        """So many rows, from this one on.

        Raises:
            LtpError: the file is damaged.
        """
        import pyarrow

        group, present = self._group_of(first), self._group_of(self._position)
        if self._batches is None or first < self._position or group > present:
            self._position, self._left = self._starts[group], None
            groups = range(group, len(self._starts))
            self._batches = self._file.iter_batches(
                batch_size=rows, row_groups=list(groups), columns=self._columns, use_threads=False
            )
        found: list[Any] = []
        while self._position < first + rows:
            batch = self._left if self._left is not None else self._next()
            begin = max(0, first - self._position)
            end = min(len(batch), first + rows - self._position)
            if end > begin:
                found.append(batch.slice(begin, end - begin))
            self._left = batch.slice(end) if end < len(batch) else None
            self._position += end
        return pyarrow.Table.from_batches(found)

    def _group_of(self, row: int) -> int:
        return bisect_right(self._starts, row) - 1

    def _next(self) -> Any:
        assert self._batches is not None
        try:
            return next(self._batches)
        except self._errors as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> LtpError:
        line = " ".join(str(error).split())
        return LtpError(f"{self.path} is no Parquet file, or damaged: {line:.300}")


def values(column: Any) -> list[Any]:
    """A column as Python values; strings that are not UTF-8 are bytes."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_decoded(value.as_buffer()) for chunk in column.chunks for value in chunk]


def _decoded(buffer: Any) -> str | bytes | None:
    if buffer is None:
        return None
    raw = bytes(buffer)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
