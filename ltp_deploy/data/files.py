"""Data files as rows: .tsv, .csv, .jsonl and .json, each also compressed by gzip (.csv.gz)."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltp_deploy.errors import LtpError

Row = dict[str, Any]

EXTENSIONS = (".tsv", ".csv", ".jsonl", ".json")
_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
_WIDE = {  # UTF-32's mark begins with UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_GZIP = b"\x1f\x8b"


def extension(path: Path) -> str | None:
    """That which says how a file is read, `.gz` taken off; None for files of other kinds."""
    found = Path(path.name.lower().removesuffix(".gz")).suffix
    return found if found in EXTENSIONS else None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a data file, in its order: values by column.

    Values of .tsv and .csv files are strings, those of the others whatever JSON has. In a .tsv file
    a quotation mark is a character like any other, as in GLUE; fields that were surely quoted, with
    quotation marks inside doubled, are refused. A .json file is an array of
    objects; one that holds an object on each line is read as .jsonl.

    Raises:
        LtpError: the file is missing, damaged, not UTF-8, or malformed, with the line.
    """
    text, kind = _text(path), extension(path)
    if kind == ".tsv":
        return _delimited(path, text, "\t")
    if kind == ".csv":
        return _delimited(path, text, ",")
    if kind == ".json" and not text.lstrip().startswith("{"):
        return _array(path, text)
    return _lines(path, text)


def _text(path: Path) -> str:
    """The file's text, decompressed, without a byte order mark."""
    if not path.is_file():
        raise LtpError(f"there is no data file {path}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LtpError(f"{path} cannot be read: {error}") from None
    if path.name.lower().endswith(".gz"):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise LtpError(f"{path} is damaged, or no gzip file: {error}") from None
    elif raw.startswith(_GZIP):
        raise LtpError(f"{path} is compressed by gzip; name it {path.name}.gz")
    check_not_wide(path, raw[:4])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        where = f", by line {line}, which holds the byte 0x{raw[error.start]:02x}"
        raise _encoding(path, "CP1252", where) from None


def check_not_wide(path: Path, first: bytes) -> None:
    """Refuse a file that begins with these four bytes if it is no UTF-8.

    Raises:
        LtpError: with a guess of what it is.
    """
    wide = next((name for mark, name in _WIDE.items() if first.startswith(mark)), None)
    if wide is None and b"\0" in first:
        wide = "UTF-16LE" if first[1:2] == b"\0" else "UTF-16BE"
    if wide is not None:
        raise _encoding(path, wide, "")


def _encoding(path: Path, guess: str, why: str) -> LtpError:
    return LtpError(
        f"{path} is not UTF-8 text, but probably {guess}{why}; convert it, for example by "
        f"`iconv -f {guess} -t UTF-8 OLD > NEW`"
    )


def _delimited(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)  # the default refuses texts above 128 KiB
    file = io.StringIO(text.rstrip("\r\n"), newline="")
    if delimiter == "\t":
        reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            first, line = line, reader.line_num + 1
            if not fields and header is not None and len(header) == 1:
                raise LtpError(
                    f"{path}, line {first} is empty, and in a file of one column that may be a "
                    "row: remove it; where it is a text, write .jsonl"
                )
            if not fields:
                continue
            if header is None:
                header = named_fields(path, fields, delimiter)
                continue
            if len(fields) != len(header):
                raise LtpError(
                    f"{path}, line {first}: {len(fields)} fields, but the header names "
                    f"{len(header)}: {header}; a text that holds {_SEPARATORS[delimiter]} must be "
                    + ("quoted" if delimiter == "," else "in a .csv file, quoted, or in a .jsonl")
                )
            if delimiter == "\t" and any(map(is_quoted, fields)):
                raise LtpError(
                    f"{path}, line {first}: a field is quoted as in .csv files, and in a .tsv file "
                    "a quotation mark is a character like any other; write a .csv or .jsonl file, "
                    "or leave out the quoting"
                )
            yield dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise LtpError(f"{path}, line {line}: malformed CSV: {error}") from None


def is_quoted(field: str) -> bool:
    """Whether a field was surely written as CSV: in quotation marks, with those inside doubled."""
    inner = field[1:-1]
    return f'"{inner}"' == field and '""' in inner and '"' not in inner.replace('""', "")


def named_fields(path: Path, fields: list[str], delimiter: str) -> list[str]:
    """The columns' names; those that have none are numbered, apart from the first of them."""
    if len(fields) == 1:
        kind = ".tsv" if delimiter == "\t" else ".csv"
        for other, name in _SEPARATORS.items():
            if other != delimiter and other in fields[0]:
                raise LtpError(
                    f"{path}: the header is one column, {fields[0]!r}; its fields are separated "
                    f"by {name}, but those of a {kind} file by "
                    f"{_SEPARATORS[delimiter]}: rename or convert it"
                )
    twice = [name for name, count in Counter(fields).items() if name and count > 1]
    if twice:
        raise LtpError(f"{path}: the header names the column {twice[0]!r} more than once")
    unnamed = [i for i, name in enumerate(fields) if not name][1:]
    return [f"(column {i + 1})" if i in unnamed else name for i, name in enumerate(fields)]


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(path, f"line {number}", _parsed(path, f", line {number}", line))


def _array(path: Path, text: str) -> Iterator[Row]:
    found = _parsed(path, "", text) if text.strip() else []
    if not isinstance(found, list):
        raise LtpError(f"{path} must hold an array of JSON objects")
    for number, row in enumerate(found, 1):
        yield _object(path, f"row {number}", row)


def _parsed(path: Path, place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LtpError(
            f"{path}{place} is not valid JSON: {error}; a .jsonl file holds an object on each "
            "line, a .json file may also hold an array of objects"
        ) from None


def _object(path: Path, place: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise LtpError(f"{path}, {place} must hold a JSON object")
    return value
