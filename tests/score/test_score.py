"""Rows come out as they went in, in their order, each with the answer that its text gets alone."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import ltp_deploy
from ltp_deploy.errors import LtpError
from ltp_deploy.score.score import Workers, score
from ltp_deploy.score.settings import Answering, Reading
from ltp_deploy.score.shard import Task, Worker
from tests.embeddings import save_embedding
from tests.score.reading import failures_of, rows_of, write_jsonl

Alone = Callable[[Any], list[float]]
ONE = Workers(workers=1, threads=1)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """In the format of the name."""
    kind = path.suffixes[0]
    if kind == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=11)
        return path
    if kind == ".jsonl":
        text = "".join(json.dumps(row) + "\n\n" for row in rows)
    else:
        delimiter = "\t" if kind == ".tsv" else ","
        lines = [list(rows[0]), *(list(map(str, row.values())) for row in rows)]
        if kind == ".csv":
            lines[1][0] += '\n and "more", of it'
            rows[0]["text"] = lines[1][0]
        if kind == ".csv":
            lines = [
                [f'"{field.replace(chr(34), chr(34) * 2)}"' for field in line] for line in lines
            ]
        text = "".join(delimiter.join(line) + "\r\n" for line in lines)
    raw = text.encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize(
    "name", ["in.parquet", "in.csv", "in.tsv", "in.jsonl", "in.csv.gz", "in.jsonl.gz"]
)
@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out.jsonl"])
def test_every_format_in_and_out(
    name: str, output: str, bundle: Path, alone: Alone, sentences: list[str], tmp_path: Path
) -> None:
    rows = [{"text": text, "id": i, "label": i % 2} for i, text in enumerate(sentences)]
    data, out = write_rows(tmp_path / name, rows), tmp_path / output
    reading = Reading(keep="text,id", shard_rows=16)
    scored = score(bundle, [str(data)], out, reading, workers=ONE)
    found = rows_of(out)
    assert [row["text"] for row in found] == [row["text"] for row in rows]
    assert [str(row["id"]) for row in found] == [str(row["id"]) for row in rows]
    assert "label" not in found[0]
    for row in found:
        logits = json.loads(row["logits"]) if output == "out.csv" else row["logits"]
        assert logits == alone(row["text"])
        assert row["predicted_label"] == ("good" if logits[1] > logits[0] else "bad")
    assert (scored.rows, scored.failed, scored.failed_file) == (40, 0, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, output])


def test_columns_come_out_as_they_are(bundle: Path, tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["good", "bad film"], pa.large_string()),
            "day": [date(2020, 1, 2), None],
            "numbers": [[1, 2], []],
            "inner": [{"a": 1.5}, None],
        }
    )
    parquet.write_table(table, tmp_path / "in.parquet")
    score(bundle, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet", workers=ONE)
    out = parquet.read_table(tmp_path / "out.parquet")
    assert out.select(table.column_names).equals(table)
    assert out["predicted_label"].to_pylist().count(None) == 0
    score(bundle, [str(tmp_path / "in.parquet")], tmp_path / "out.jsonl", workers=ONE)
    first, second = rows_of(tmp_path / "out.jsonl")
    assert [first["day"], first["numbers"], first["inner"]] == ["2020-01-02", [1, 2], {"a": 1.5}]
    assert [second["day"], second["numbers"], second["inner"]] == [None, [], None]


def test_files_folders_and_patterns_in_the_order_of_their_names(
    bundle: Path, sentences: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    places = ["b.jsonl", "a.jsonl", "deep/c.jsonl", "_SUCCESS", ".hidden.jsonl"]
    for i, name in enumerate(places):
        write_jsonl(folder / name, [{"text": text} for text in sentences[7 * i : 7 * (i + 1)]])
    (folder / "d.jsonl").write_text("")
    order = sentences[7:14] + sentences[:7] + sentences[14:21]
    score(bundle, [str(folder)], tmp_path / "all.jsonl", workers=ONE)
    assert [row["text"] for row in rows_of(tmp_path / "all.jsonl")] == order
    reading = Reading(keep="text", shard_rows=4)
    score(bundle, [str(folder / "*.jsonl")], tmp_path / "parts", reading, workers=ONE, format="csv")
    assert [row["text"] for row in rows_of(tmp_path / "parts")] == order[:14]
    assert [path.suffix for path in (tmp_path / "parts").iterdir()] == [".csv"] * 4


def test_rows_that_fail_have_no_answer_and_a_reason(
    bundle: Path, alone: Alone, tmp_path: Path
) -> None:
    lines = [
        b'{"text": "good"}',
        b'{"text": null}',
        b'{"words": "good"}',
        b'{"text": 5}',
        b'{"text": "caf\xe9"}',
        b'{"text": "half \\ud83d"}',
        b'["good"]',
        b'{"text": "good',
        b'{"text": "bad", "logits": 3}',
        b'{"text": ["a", "film"]}',
        b'{"text": "dull"}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    out = tmp_path / "out.jsonl"
    scored = score(
        bundle, [str(tmp_path / "in.jsonl")], out, Reading("text", shard_rows=4), workers=ONE
    )
    rows, failed = rows_of(out), failures_of(out)
    assert len(rows) == len(lines)
    assert scored.failed == len(failed) == 8
    assert [i for i, row in enumerate(rows, 1) if row["logits"] is None] == sorted(failed)
    assert all(row["predicted_label"] is None for row in rows if row["logits"] is None)
    reasons = {
        2: "`text` is null",
        3: "`text` is missing",
        4: "`text` is no text: 5",
        5: "not UTF-8",
        6: "half a character",
        7: "must hold a JSON object",
        8: "not valid JSON",
        9: "`logits` is the name of an answer",
    }
    assert list(failed) == list(reasons)
    for number, reason in reasons.items():
        assert reason in failed[number]
    assert rows[2]["words"] == "good", "what could be read is written again"
    for row, text in ((0, "good"), (9, ("a", "film")), (10, "dull")):
        assert rows[row]["logits"] == alone(text)


def test_rows_of_csv_that_fail(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"text,id\ngood,1\nbad\ncaf\xe9,3\ngood,4\nbad,5,6\n")
    out = tmp_path / "out.csv"
    score(bundle, [str(tmp_path / "in.csv")], out, workers=ONE)
    assert [row["id"] for row in rows_of(out)] == ["1", "", "3", "4", "5"]
    assert [row["predicted_label"] != "" for row in rows_of(out)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    reasons = failures_of(out)
    assert "1 fields, but the header names 2" in reasons[2]
    assert "UTF-8" in reasons[3]
    assert "3 fields" in reasons[5]


def test_texts_that_are_too_long_fail_where_they_are_refused(bundle: Path, tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": "good"}, {"text": "good " * 60}])
    out = tmp_path / "out.jsonl"
    score(bundle, [str(data)], out, answering=Answering("refuse"), workers=ONE)
    assert failures_of(out) == {2: failures_of(out)[2]}
    assert failures_of(out)[2].startswith("the text has more than 40 tokens")
    score(bundle, [str(data)], out, workers=ONE, force=True)
    assert failures_of(out) == {}, "an earlier output's failures are gone"
    assert [row["truncated"] for row in rows_of(out)] == [False, True]
    score(bundle, [str(data)], out, answering=Answering("window"), workers=ONE, force=True)
    assert [row["windows"] for row in rows_of(out)] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers", [Workers(2, 2), Workers(1, 2), Workers(3, 1), Workers(1, 2, throughput=True)]
)
def test_the_bits_do_not_depend_on_the_workers_or_the_shards(
    workers: Workers, bundle: Path, alone: Alone, sentences: list[str], tmp_path: Path
) -> None:
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    for size in (1, 7, 1000):
        out = tmp_path / f"{size}.parquet"
        score(bundle, [str(data)], out, Reading(keep="text", shard_rows=size), workers=workers)
        table = parquet.read_table(out)
        assert table["text"].to_pylist() == sentences
        assert table["logits"].to_pylist() == [alone(text) for text in sentences]


def test_workers_open_the_bundle_as_they_are_told(
    bundle: Path, sentences: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    found: list[tuple[bool, int, int]] = []

    def run(task: Task, todo: Any, workers: int, threads: int, told: Any) -> None:
        found.append((task.throughput, workers, threads))
        for shard in todo:
            told(Worker(task).score(shard))

    monkeypatch.setattr("ltp_deploy.score.score.run_local", run)
    for number, workers in enumerate((Workers(2, 3), Workers(1, 2, throughput=True))):
        score(bundle, [str(data)], tmp_path / f"{number}.jsonl", workers=workers)
    assert found == [(False, 2, 3), (True, 1, 2)]


def test_pairs(bundle: Path, alone: Alone, sentences: list[str], tmp_path: Path) -> None:
    pairs = list(zip(sentences[:10], sentences[10:20], strict=True))
    data = tmp_path / "in.csv"
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([["query", "passage"], *pairs])
    score(bundle, [str(data)], tmp_path / "out.parquet", workers=ONE)
    assert [row["logits"] for row in rows_of(tmp_path / "out.parquet")] == [alone(p) for p in pairs]


HEADS: dict[str, dict[str, Any]] = {
    "regression": {"labels": 1, "problem_type": "regression", "id2label": {0: "LABEL_0"}},
    "ranking": {"labels": 1, "id2label": {0: "LABEL_0"}},
    "multi_label": {
        "labels": 3,
        "problem_type": "multi_label_classification",
        "id2label": {0: "a", 1: "b", 2: "c"},
    },
    "without names": {"labels": 3, "id2label": {i: f"LABEL_{i}" for i in range(3)}},
}


@pytest.mark.parametrize("head", HEADS)
def test_every_head_answers_as_predict_does(
    head: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    sentences: list[str],
    tmp_path: Path,
) -> None:
    checkpoint = checkpoint_of("bert", "relative", **HEADS[head])
    bundle = bundle_of(checkpoint, survivors=False)
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    for name in ("out.parquet", "out.jsonl"):
        out = tmp_path / name
        score(bundle, [str(data)], out, Reading(keep="text"), workers=ONE)
        found, engine = rows_of(out), ltp_deploy.load(bundle)
        for row, said in zip(found, engine.predict(sentences), strict=True):
            label = row.get("predicted_labels", row.get("predicted_label"))
            scores = row.get("predicted_scores", row.get("predicted_score"))
            assert label == said.label
            assert scores == said.score
        assert [row["logits"] for row in found] == engine(sentences).logits.tolist()


def test_vectors_are_lists_of_fixed_size(
    once: Callable[..., Path], bundle_of: Callable[..., Path], sentences: list[str], tmp_path: Path
) -> None:
    prompts = {"query": "a good ", "other": "bad "}
    checkpoint = once(lambda place: save_embedding(place, prompts=prompts), "score-embedding")
    bundle = bundle_of(checkpoint, survivors=False)
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    out, reading = tmp_path / "out.parquet", Reading(keep="text", shard_rows=16)
    score(bundle, [str(data)], out, reading, Answering(prompt_name="query"), ONE)
    table = parquet.read_table(out)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 64)
    expected = ltp_deploy.load(bundle).encode(sentences, prompt_name="query")
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), expected)
    with pytest.raises(LtpError, match="no prompt 'title'"):
        score(bundle, [str(data)], out, reading, Answering(prompt_name="title"), ONE)
