"""benchmarks/serve.py and soak.py: servers take turns, and what the generator counts is right."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tiny import random_texts

pytest.importorskip("fastapi", reason="FastAPI is not installed")

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def http_load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import http_load

    return http_load


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, file, seed in (("sst2", "dev", 1), ("imdb", "test", 2)):
        (tmp_path / name).mkdir()
        lines = [f"{text}\t0" for text in random_texts(40, seed)]
        (tmp_path / name / f"{file}.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
    return tmp_path


def test_every_fourth_of_the_mixed_texts_is_of_imdb(http_load: ModuleType, data: Path) -> None:
    short, mixed = http_load.texts_of(data, "short"), http_load.texts_of(data, "mixed")
    assert short == random_texts(40, 1)
    assert mixed[3::4] == random_texts(40, 2)[: len(mixed[3::4])]
    assert [text for i, text in enumerate(mixed) if i % 4 != 3] == [
        text for i, text in enumerate(short) if i % 4 != 3
    ]


def test_the_generator_counts_answers_and_errors(http_load: ModuleType) -> None:
    """Of a server that answers in two parts, and every fifth time that it cannot."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                seen.append(await reader.readexactly(length))
                status = b"500 No" if len(seen) % 5 == 0 else b"200 OK"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\nab")
                await writer.drain()
                await asyncio.sleep(0.001)
                writer.write(b"cd")
        except asyncio.IncompleteReadError:
            writer.close()

    async def run() -> object:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            requests = http_load.as_requests(["one", "two"], "127.0.0.1")
            return await http_load.run("127.0.0.1", port, requests, 3, 0.5)

    load = asyncio.run(run())
    assert {json.loads(body)["inputs"] for body in seen} == {"one", "two"}
    assert 0 < len(load.waits) <= len(seen)
    assert abs(load.errors - len(load.waits) / 5) <= 2
    assert http_load.summary(load)["p99_ms"] >= http_load.summary(load)["p50_ms"] >= 1


def call(script: str, *arguments: object) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    subprocess.run(command, env=environment, check=True, timeout=300)


@pytest.mark.slow
def test_all_servers_answer_without_errors(
    bert_checkpoint: Path, bert_bundle: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "serve.json"
    common = ["--data", data, "--connections", 4, "--seconds", 0.5, "-o", output]
    others = ["--baseline", ROOT, "--checkpoint", bert_checkpoint]
    call("serve.py", bert_bundle, *common, *others, "--rounds", 2, "--cases", "mixed")
    found = json.loads(output.read_text())["cases"]["mixed"]
    assert len(found) == 3
    for server in found.values():
        assert len(server["rounds"]) == 2
        assert server["median"]["errors"] == 0
        assert server["median"]["requests_per_s"] > 0
        assert server["median"]["server_cpu_s"] > 0


@pytest.mark.slow
def test_the_soak_writes_how_memory_went(bert_bundle: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "soak.json"
    common = ["--data", data, "--connections", 4, "-o", output]
    call("soak.py", bert_bundle, *common, "--minutes", 0.02, "--every", 0.3)
    found = json.loads(output.read_text())
    assert found["errors"] == 0
    assert len(found["looks"]) > 2
    assert found["most_mib"] >= found["last_mib"] > 20


def test_the_trend_is_that_of_the_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "serve", raising=False)
    import soak

    looks = [(0.0, 100.0), (900.0, 150.0), (1800.0, 160.0), (2700.0, 161.0), (3600.0, 162.0)]
    found = soak.trend(looks)
    assert found["mib_per_hour_in_second_half"] == pytest.approx(4)
    assert (found["first_mib"], found["last_mib"], found["most_mib"]) == (100, 162, 162)
