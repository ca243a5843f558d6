"""Data files are read as rows, or refused with the place and what to do."""

import gzip
from pathlib import Path

import pytest

from ltp_deploy.data.files import extension, read_rows
from ltp_deploy.errors import LtpError

TEXT = 'text,label\n"a, ""b""\nc",1\n'
ROWS = [{"text": 'a, "b"\nc', "label": "1"}]


def rows(path: Path, content: bytes | str) -> list[dict]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("d.tsv", ".tsv"),
        ("d.v2.CSV.gz", ".csv"),
        ("d.json.gz", ".json"),
        ("d.txt", None),
        ("d.gz", None),
        ("d", None),
        ("imdb", None),
    ],
)
def test_the_extension_says_how_a_file_is_read(name: str, found: str | None) -> None:
    assert extension(Path(name)) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("d.csv", TEXT, ROWS),
        ("d.tsv", 'text\tlabel\n"a" "b"\t""\n', [{"text": '"a" "b"', "label": '""'}]),
        ("d.tsv", 'text\n"" a ""\n"a\n', [{"text": '"" a ""'}, {"text": '"a'}]),
        ("d.jsonl", '{"text": "a"}\n\n{"text": "b"}', [{"text": "a"}, {"text": "b"}]),
        ("d.json", '[{"text": "a"},\n {"text": "b"}]', [{"text": "a"}, {"text": "b"}]),
    ],
)
def test_files_may_be_compressed(name: str, text: str, found: list[dict], tmp_path: Path) -> None:
    assert rows(tmp_path / name, text) == found
    assert rows(tmp_path / f"{name}.gz", gzip.compress(text.encode())) == found


def test_what_is_odd_and_clear_is_read(tmp_path: Path) -> None:
    assert rows(tmp_path / "d.csv", "\ufefftext,n\r\na\0b,1\r\n\r\nc,2\r\n\r\n") == [
        {"text": "a\0b", "n": "1"},
        {"text": "c", "n": "2"},
    ]
    assert rows(tmp_path / "d.csv", '\n\ntext\n""\nc') == [{"text": ""}, {"text": "c"}]
    assert rows(tmp_path / "e.csv", ",text,\n0,a,\n") == [{"": "0", "text": "a", "(column 3)": ""}]
    assert rows(tmp_path / "f.csv", "") == rows(tmp_path / "g.json", " ") == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "d.tsv",
            "text\tlabel\na\tb\t1\n",
            r"line 2: 3 fields, but the header names 2: \['text', 'label'\]; a text that holds "
            "tabs must be in a .csv file",
        ),
        (
            "d.tsv",
            'text\tlabel\na\t0\n"He said ""hi"" to me"\t1\n',
            "line 3: a field is quoted as in .csv files, .* write a .csv or .jsonl file",
        ),
        ("d.tsv", 'text\n""""\n', "line 2: a field is quoted"),
        ("d.csv", 'text,label\n"a\nb",1\nc\n', "line 4: 1 fields, but the header names 2"),
        ("d.csv", 'label,text\n1,"a\n0,b\n', "malformed CSV: unexpected end of data"),
        ("d.csv", "text\na\n\nb\n", "line 3 is empty, and in a file of one column that may be a"),
        ("d.tsv", "text\n\na\n\n", "line 2 is empty"),
        ("d.csv", 'text,label\n"a" b,1\n', "line 2: malformed CSV"),
        ("d.csv", "text;label\na;1\n", "'text;label'; its fields are separated by semicolons, but"),
        ("d.csv", "text\tlabel\na\t1\n", "separated by tabs, but those of a .csv file by commas"),
        ("d.tsv", "text,label\na,1\n", "separated by commas, but those of a .tsv file by tabs"),
        ("d.csv", "text,text,label\na,b,1\n", "names the column 'text' more than once"),
        ("d.jsonl", '{"text": "a"}\n{"text"\n', "line 2 is not valid JSON"),
        ("d.jsonl", "[1]\n", "line 1 must hold a JSON object"),
        ("d.jsonl", "[" * 100_000, "line 1 is not valid JSON"),
        ("d.json", '[{"text": "a"}, 1]', "row 2 must hold a JSON object"),
        ("d.json", '[{"text": "a"}', r"d.json is not valid JSON: .* an array of objects"),
        ("d.json", '"text"', "must hold an array of JSON objects"),
        ("d.json", '{"text":\n["a"]}', "line 1 is not valid JSON"),
        ("d.csv", "text\ncaf\u00e9\n".encode("cp1252"), "probably CP1252, by line 2, .* byte 0xe9"),
        ("d.jsonl", b'{"text": "\xff"}', "not UTF-8 text, .* `iconv -f CP1252 -t UTF-8 OLD > NEW`"),
        ("d.tsv", "text\na\n".encode("utf-16"), "probably UTF-16; convert it"),
        ("d.tsv", "text\na\n".encode("utf-16-le"), "probably UTF-16LE; convert it"),
        ("d.tsv", "text\na\n".encode("utf-16-be"), "probably UTF-16BE; convert it"),
        ("d.tsv", "text\na\n".encode("utf-32"), "probably UTF-32; convert it"),
        ("d.csv", gzip.compress(b"text\na\n", mtime=0), "is compressed by gzip; name it d.csv.gz"),
        ("d.csv.gz", b"text\na\n", "damaged, or no gzip file"),
        ("d.csv.gz", gzip.compress(b"text\na\n" * 99, mtime=0)[:-12], "damaged, or no gzip file"),
        ("d.csv.gz", gzip.compress(b"text\n", mtime=0)[:12] + b"x" * 9, "damaged, or no gzip file"),
    ],
)
def test_what_cannot_be_read_is_refused(
    name: str, content: bytes | str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LtpError, match=message):
        rows(tmp_path / name, content)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LtpError, match="there is no data file"):
        read_rows(tmp_path / "d.tsv")
