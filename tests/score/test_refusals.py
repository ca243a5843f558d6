"""What is wrong with a whole job is one error, before anything is scored, and leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ltp_deploy.errors import LtpError
from ltp_deploy.score.score import Workers, score
from ltp_deploy.score.settings import Reading

ONE = Workers(workers=1, threads=1)
FILES: dict[str, bytes] = {
    "good.jsonl": b'{"text": "good"}\n',
    "other.csv": b"text\ngood\n",
    "empty.jsonl": b"\n",
    "empty.csv": b"",
    "header.csv": b"text,id\n",
    "two.csv": b"text,stars\ngood,1\n",
    "three.csv": b"text,day\ngood,1\n",
    "json.json": b'[{"text": "good"}]',
    "notes.txt": b"good\n",
    "quote.csv": b'text,id\n"good"x,1\n',
    "blank.csv": b"text\ngood\n\nbad\n",
    "wide.csv": "text\ngood\n".encode("utf-16"),
    "twice.csv": b"text,text\ngood,bad\n",
    "unclear.jsonl": b'{"title": "a good film", "body": "a bad film"}\n',
    "logits.csv": b"text,logits\ngood,1\n",
    "groups.jsonl": b'{"query": "good", "passages": ["a", "b"]}\n',
    "damaged.jsonl.gz": b"\x1f\x8b\x08\x00nonsense",
    "broken.parquet": b"PAR1 nothing PAR1",
}


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        ("nowhere.csv", "out.csv", "there is no file or folder"),
        ("no*.csv", "out.csv", "no file matches"),
        ("notes.txt", "out.csv", "notes.txt is not read: the files are .parquet, .csv, .tsv"),
        ("json.json", "out.csv", "write an object on each line of a .jsonl file"),
        ("good.jsonl other.csv", "out.csv", "are of different kinds"),
        ("good.jsonl good.jsonl", "out.csv", "stands twice among the inputs"),
        ("empty.jsonl", "out.jsonl", "holds no rows"),
        ("header.csv", "out.csv", "holds no rows"),
        ("empty.csv", "out.csv", "holds no rows, and no header"),
        ("two.csv three.csv", "out.csv", "has the columns"),
        ("quote.csv", "out.csv", "line 2: malformed CSV"),
        ("blank.csv", "out.csv", "line 3 is empty"),
        ("wide.csv", "out.csv", "probably UTF-16"),
        ("twice.csv", "out.csv", "names the column 'text' more than once"),
        ("unclear.jsonl", "out.jsonl", "which columns hold text?"),
        ("logits.csv", "out.csv", "the input has a column 'logits', as the answers have"),
        ("groups.jsonl", "out.jsonl", "write a row for each pair"),
        ("good.jsonl", "out.parquet", "rows of JSON have no fixed columns"),
        ("damaged.jsonl.gz", "out.jsonl", "cannot be read, or is damaged"),
        ("broken.parquet", "out.parquet", "is no Parquet file, or damaged"),
        ("types.parquet", "out.jsonl", "holds bytes, which jsonl cannot"),
        ("types.parquet other.parquet", "out.parquet", "has the type"),
        ("good.jsonl", "out.tsv", "ends in .tsv"),
        ("good.jsonl", "good.jsonl", "good.jsonl is one of the inputs"),
        (".", "out.jsonl", "lies in the folder"),
    ],
)
def test_whole_files_are_refused_by_name(
    inputs: str,
    output: str,
    message: str,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_bytes(content)
    parquet.write_table(pa.table({"text": ["good"], "raw": [b"1"]}), "types.parquet")
    parquet.write_table(pa.table({"text": ["good"], "raw": [1]}), "other.parquet")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LtpError) as error:
        score(bundle, inputs.split(), Path(output), workers=ONE)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_output_that_exists_is_not_replaced_unasked(bundle: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    data.write_bytes(FILES["good.jsonl"])
    out.write_text("mine")
    with pytest.raises(LtpError, match="exists; choose another output path or pass --force"):
        score(bundle, [str(data)], out, workers=ONE)
    assert out.read_text() == "mine"
    assert not (tmp_path / "out.jsonl.work").exists()
    score(bundle, [str(data)], out, workers=ONE, force=True)
    assert json.loads(out.read_text())["text"] == "good"
    folder = tmp_path / "parts"
    for force in (False, True):
        score(bundle, [str(data)], folder, Reading(keep="text"), workers=ONE, force=force)
    assert [path.name for path in folder.iterdir()] == ["part-000000.parquet"]


def test_a_bundle_that_is_none_is_refused(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_bytes(FILES["good.jsonl"])
    with pytest.raises(LtpError, match="is not a bundle"):
        score(checkpoint_of("bert", "absolute"), [str(tmp_path / "in.jsonl")], tmp_path / "o.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]
