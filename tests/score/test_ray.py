"""On Ray as on this machine's processes: the same files, to the byte, whatever is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.errors import LtpError
from ltp_deploy.score.score import Workers, score
from ltp_deploy.score.settings import Reading
from tests.conftest import SHARED
from tests.score.reading import failures_of, write_jsonl
from tests.score.test_resume import SECONDS, Running, children, gone

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = pytest.mark.slow
TWO = Workers(workers=2, threads=2, ray="local")


def actors_below(pid: int) -> list[int]:
    """Those of Ray's processes that score."""
    found = []
    for child in children(pid):
        try:
            line = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if line.startswith(b"ray::MapWorker"):
            found.append(child)
    return found


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.jsonl", "parts"])
def test_ray_writes_the_same_bytes(
    name: str, bundle: Path, sentences: list[str], tmp_path: Path
) -> None:
    rows: list[Any] = [{"text": text, "id": i} for i, text in enumerate(sentences)]
    data = write_jsonl(tmp_path / "in.jsonl", [*rows, {"text": None, "id": 40}, "no object"])
    reading, written = Reading(keep="text,id", shard_rows=5), {}
    for way, workers in (("local", Workers(2, 2)), ("ray", TWO)):
        (tmp_path / way).mkdir()
        out = tmp_path / way / name
        scored = score(bundle, [str(data)], out, reading, workers=workers)
        assert (scored.rows, scored.failed) == (42, 2)
        files = [out] if out.is_file() else sorted(out.iterdir())
        written[way] = [(file.name, file.read_bytes()) for file in files], failures_of(out)
    assert written["ray"] == written["local"]


def test_an_actor_that_is_killed_is_replaced(bundle: Path, tmp_path: Path) -> None:
    job = Running(bundle, tmp_path, "--workers", "2", "--threads", "2", "--ray", "local")
    process = job.start()
    job.wait_for(5)
    first = actors_below(process.pid)
    assert len(first) == 2
    os.kill(first[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=5 * SECONDS)
    assert process.returncode == 0, errors
    job.check()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_killed_goes_on(
    stop: signal.Signals, bundle: Path, tmp_path: Path
) -> None:
    job = Running(bundle, tmp_path, "--workers", "2", "--threads", "2", "--ray", "local")
    process = job.start()
    job.wait_for(5)
    below = children(process.pid)
    process.send_signal(stop)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == (-stop if stop == signal.SIGKILL else 128 + stop), errors
    assert gone(below)
    job.finish()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"^Ray at 127\.0\.0\.1:1 does not answer: .*Connection refused"),
        ("ray://127.0.0.1", "is neither local nor HOST:PORT"),
    ],
)
def test_an_address_without_a_cluster_is_an_error(
    address: str, message: str, bundle: Path, sentences: list[str], tmp_path: Path
) -> None:
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    with pytest.raises(LtpError, match=message):
        score(bundle, [str(data)], tmp_path / "out.jsonl", workers=Workers(ray=address))
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_bundle_that_was_replaced_is_one_line(
    bundle: Path, sentences: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences])
    monkeypatch.setattr("ltp_deploy.score.score.bundle_digest", lambda _: "0" * 64)
    with pytest.raises(LtpError, match=r"is another bundle than the one the job began with$"):
        score(bundle, [str(data)], tmp_path / "out.jsonl", workers=TWO)


@pytest.mark.skipif(not (SHARED / "data" / "imdb").is_dir(), reason="no IMDb texts")
def test_long_texts_have_the_same_bits_on_both_ways(bundle: Path, tmp_path: Path) -> None:
    data = SHARED / "data" / "imdb" / "test.tsv"
    outputs = []
    for way, workers in (("local", Workers(2, 2)), ("ray", TWO)):
        outputs.append(tmp_path / f"{way}.parquet")
        scored = score(bundle, [str(data)], outputs[-1], Reading(shard_rows=128), workers=workers)
        assert (scored.rows, scored.failed) == (2000, 0)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
