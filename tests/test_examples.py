"""What lies in examples/ runs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ltp_deploy
from tests.tiny import random_texts

EXAMPLES = Path(__file__).parents[1] / "examples"
RERANK = EXAMPLES / "rerank" / "rerank.py"


@pytest.mark.slow
def test_a_query_is_ranked_against_the_lines_of_a_file(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("bert", "relative", labels=1, id2label={0: "LABEL_0"})
    lines = ["a very good film", "", "dull", "the film was not bad .", "great"]
    (tmp_path / "passages.txt").write_text("\n".join(lines))
    command = [RERANK, checkpoint, tmp_path / "passages.txt", "good film", "--top", "2"]
    result = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    *ranked, empty, summary = result.stdout.splitlines()
    assert len(ranked) == 2
    assert empty == ""
    assert all(line[10:] in lines for line in ranked)
    assert summary.startswith("4 passages in ")
    assert summary.endswith("of the best 2 are the same")


@pytest.mark.slow
def test_spark_answers_a_column_as_predict_does(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    pytest.importorskip("pandas", reason="pandas is not installed")
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    bundle = bundle_of(checkpoint_of("bert", "absolute"), survivors=False)
    texts: list[str | None] = [*random_texts(30, seed=3), None]
    rows = [{"id": i, "text": text} for i, text in enumerate(texts)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "in.parquet")
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, EXAMPLES / "spark" / "score.py", bundle, tmp_path / "in.parquet", out],
        env={**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = sorted(parquet.read_table(out).to_pylist(), key=lambda row: row["id"])
    said = [(row["text"], row["label"], row["score"]) for row in found]
    expected = ltp_deploy.load(bundle).predict(texts[:-1])
    answers = [(str(each.label), each.score) for each in expected]
    assert said == [(t, *a) for t, a in zip(texts[:-1], answers, strict=True)] + [(None,) * 3]


RAY_SERVE = """
import json, sys, urllib.error, urllib.request
import ray
from ray import serve
from classifier import app
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
serve.run(app({"bundle": sys.argv[1]}))
for body in json.loads(sys.argv[3]):
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[2]}/", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request) as answer:
            print("answer", answer.read().decode())
    except urllib.error.HTTPError as error:
        print("answer", error.code)
serve.shutdown()
ray.shutdown()
"""


@pytest.mark.slow
def test_ray_serve_answers_requests(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("ray.serve", reason="Ray Serve is not installed")
    bundle = bundle_of(checkpoint_of("bert", "absolute"), survivors=False)
    texts = random_texts(5, seed=4)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    bodies = json.dumps([{"texts": texts}, {"words": 1}, {"texts": [5]}])
    paths = [str(EXAMPLES / "ray_serve"), str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-c", RAY_SERVE, bundle, str(port), bodies],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answers = [line for line in result.stdout.splitlines() if line.startswith("answer ")]
    first, *refused = [json.loads(line.removeprefix("answer ")) for line in answers]
    expected = ltp_deploy.load(bundle)(texts)
    assert first == {"labels": expected.labels, "logits": expected.logits.tolist()}
    assert refused == [400, 400]
