"""Rows of .csv, .tsv and .jsonl files, one after another, as `ltp_deploy.data.files` reads them.

That reads whole files, and refuses what is wrong with one of their rows. Here files may be larger
than memory, and a row that cannot be read says why, in its place.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from ltp_deploy.data.files import check_not_wide, is_quoted, named_fields
from ltp_deploy.errors import LtpError
from ltp_deploy.score.inputs import COMPRESSED, kind
from ltp_deploy.score.rows import Row, encodable

LONGEST = 1 << 27  # characters of a field; where a quotation mark is not closed, it goes on so far
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n\v\f"  # lines of nothing else are no rows


class TextFile:
    """One file, read forwards. Iterating gives its rows.

    Attributes:
        columns: that its header names; () of a .jsonl file.
        position: bytes, uncompressed, up to the end of the last row that was read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.kind = path, kind(path)
        self.columns: tuple[str, ...] = ()
        self.position = 0
        self._damaged = False  # whether a line of the present row is not UTF-8
        self._stream = _opened(path)
        check_not_wide(path, self._first_bytes())
        self._delimiter = "\t" if self.kind == ".tsv" else ","
        csv.field_size_limit(LONGEST)
        self._reader = csv.reader(
            self._lines(),
            delimiter=self._delimiter,
            quoting=csv.QUOTE_NONE if self.kind == ".tsv" else csv.QUOTE_MINIMAL,
            strict=True,
        )
        if self.kind != ".jsonl":
            self.columns = tuple(self._header())

    def close(self) -> None:
        self._stream.close()

    def skip_to(self, position: int) -> None:
        """Go on with the row that begins there, which may not lie before the next one."""
        if self.path.name.lower().endswith(COMPRESSED):
            while left := position - self.position:
                if not self._read(partial(self._stream.read, min(left, 1 << 20))):
                    raise LtpError(f"{self.path} was changed: it ends before byte {position}")
        else:
            self._stream.seek(position)
            self.position = position

    def __iter__(self) -> Iterator[Row]:
        return self._objects() if self.kind == ".jsonl" else self._fields()

    def skim(self) -> Iterator[None]:
        """Go through the rows without reading what need not be read to count them."""
        if self.kind != ".jsonl":
            for _ in self._fields():
                yield
            return
        for line in self._raw_lines():
            if line.strip(_BLANK):
                yield

    def _objects(self) -> Iterator[Row]:
        for line in self._lines():
            damaged, self._damaged = self._damaged, False
            if line.strip(_BLANK.decode()):
                yield _object(line, damaged)

    def _fields(self) -> Iterator[Row]:
        empty = 0  # a line without fields, in a file of one column
        while (fields := self._next_fields()) is not None:
            if not fields:
                empty = empty or self._reader.line_num
                continue
            if empty and len(self.columns) == 1:
                raise LtpError(
                    f"{self.path}, line {empty} is empty, and in a file of one column that may be "
                    "a row: remove it; where it is a text, write .jsonl"
                )
            empty = 0
            yield self._row(fields)

    def _row(self, fields: list[str]) -> Row:
        failure, damaged, self._damaged = "", self._damaged, False
        if damaged:
            fields, failure = [encodable(field) for field in fields], "the row is not UTF-8 text"
        elif len(fields) != len(self.columns):
            failure = f"{len(fields)} fields, but the header names {len(self.columns)}"
        elif self.kind == ".tsv" and any(map(is_quoted, fields)):
            failure = (
                "a field is quoted as in .csv files, and in a .tsv file a quotation mark is a "
                "character like any other"
            )
        return Row(dict(zip(self.columns, fields, strict=False)), failure)

    def _header(self) -> list[str]:
        while (fields := self._next_fields()) is not None:
            if self._damaged:
                raise LtpError(f"{self.path}: the header is not UTF-8 text")
            if fields:
                return named_fields(self.path, fields, self._delimiter)
        raise LtpError(f"{self.path} holds no rows, and no header")

    def _next_fields(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            line = self._reader.line_num
            raise LtpError(f"{self.path}, line {line}: malformed CSV: {error}") from None

    def _first_bytes(self) -> bytes:
        """Four at most, without going on.

        Raises:
            LtpError: a compressed file is damaged.
        """
        try:
            return self._stream.peek(4)[:4]
        except (OSError, EOFError) as error:
            raise LtpError(f"{self.path} cannot be read, or is damaged: {error}") from None

    def _lines(self) -> Iterator[str]:
        """Lines with their ends. The reader of CSV takes as many as a row has, and no more."""
        for line in self._raw_lines():
            try:
                text = line.decode()
            except UnicodeDecodeError:
                self._damaged = True
                text = line.decode(errors="surrogateescape")
            yield text

    def _raw_lines(self) -> Iterator[bytes]:
        """The same, as bytes, without a mark of their order."""
        read = self._stream.readline
        if self.position == 0:
            yield self._read(read).removeprefix(_BOM)
        while line := self._read(read):
            yield line

    def _read(self, read: Callable[[], bytes]) -> bytes:
        """What `read` gives of the stream, counted.

        Raises:
            LtpError: a compressed file is damaged.
        """
        try:
            found = read()
        except (OSError, EOFError) as error:
            raise LtpError(f"{self.path} cannot be read, or is damaged: {error}") from None
        self.position += len(found)
        return found


def _object(line: str, damaged: bool) -> Row:
    if damaged:
        return Row({}, "the line is not UTF-8 text")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row({}, f"the line is not valid JSON: {error}")
    if not isinstance(value, dict):
        return Row({}, f"the line must hold a JSON object, found {line.strip():.80}")
    return Row(value)


def _opened(path: Path) -> io.BufferedReader:
    if not path.name.lower().endswith(COMPRESSED):
        return path.open("rb")
    import pyarrow

    return io.BufferedReader(cast(Any, pyarrow.input_stream(str(path))), 1 << 20)
