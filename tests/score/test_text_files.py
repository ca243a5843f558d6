"""Rows of text files are counted as they are read, wherever reading begins."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from ltp_deploy.score.plan import cut
from ltp_deploy.score.rows import Row
from ltp_deploy.score.text_files import TextFile

JSONL = (
    b"\xef\xbb\xbf\n"  # a byte order mark, and nothing
    b'{"text": "one"}\r\n'
    b"  \t\n"
    b'{"text": "two"}\n'
    b"\xc2\xa0\n"  # a space that is no blank line: a row that fails
    b"\x1c\n"
    b'{"text": "caf\xe9"}\n'
    b'{"text": "three"}\n'
    b'{"text": "four"}'
)
CSV = (
    b'\xef\xbb\xbf"text","day\n of it"\r\n'
    b'"one, ""quoted""",1\r\n'
    b"\r\n"
    b'"two\nlines",2\n'
    b'5" wide,3\n'
    b"caf\xe9,4\n"
    b"few\n"
    b'"three\n\n",6\n\n'
)
TSV = b'text\tid\n"one\t1\ntwo"\t2\n"a ""b"""\t3\nthree\t4\n'
FILES = {"in.jsonl": JSONL, "in.csv": CSV, "in.tsv": TSV}
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda raw: gzip.compress(raw[:40]) + gzip.compress(raw[40:]),
    ".bz2": bz2.compress,
}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("name", FILES)
def test_shards_have_the_rows_of_the_whole(
    name: str, packing: str, size: int, tmp_path: Path
) -> None:
    if packing:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"{name}{packing}"
    path.write_bytes(PACKED[packing](FILES[name]))
    whole = list(TextFile(path))
    found: list[Row] = []
    reader = TextFile(path)
    for shard in cut([path], size):
        assert shard.first == shard.before == len(found)
        for file in (reader, TextFile(path)):  # one that goes on, and one that begins here
            file.skip_to(shard.offset)
            rows = list(islice(file, shard.rows))
            assert rows == whole[shard.first : shard.first + shard.rows]
        found += rows
    assert found == whole


def test_what_is_read_of_each_row(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    rows = list(TextFile(tmp_path / "in.jsonl"))
    assert [row.values.get("text") for row in rows if not row.failure] == [
        *("one", "two", "three", "four")
    ]
    assert [bool(row.failure) for row in rows] == [False, False, True, True, True, False, False]
    rows = list(TextFile(tmp_path / "in.csv"))
    assert [row.values["text"] for row in rows] == [
        *('one, "quoted"', "two\nlines", '5" wide', "caf?", "few", "three\n\n")
    ]
    assert [row.failure for row in rows if row.failure] == [
        "the row is not UTF-8 text",
        "1 fields, but the header names 2",
    ]
    rows = list(TextFile(tmp_path / "in.tsv"))
    assert [row.values["text"] for row in rows] == ['"one', 'two"', '"a ""b"""', "three"]
    assert ["quoted as in .csv" in row.failure for row in rows] == [False, False, True, False]
