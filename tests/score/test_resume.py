"""A job that is cut off loses nothing that was complete, and does nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ltp_deploy.errors import LtpError
from ltp_deploy.score import score as module
from ltp_deploy.score.local import run_local
from ltp_deploy.score.plan import Shard
from ltp_deploy.score.score import Workers, score
from ltp_deploy.score.settings import Answering, Reading
from ltp_deploy.score.shard import Done, Task
from tests.score.reading import rows_of, write_jsonl
from tests.tiny import random_texts

ONE = Workers(workers=1, threads=1)
READING = Reading(shard_rows=4)
SECONDS = 120  # within which whatever a test waits for has long happened
ROWS = 40


@pytest.fixture
def data(tmp_path: Path, sentences: list[str]) -> Path:
    return write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in sentences[:ROWS]])


class Stopped(Exception):
    """What stands for whatever ends a process."""


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the next run end once so many shards are complete; returns the numbers of the shards that
    later ones compute."""
    computed: list[int] = []

    def run(task: Task, shards: Any, workers: int, threads: int, told: Any) -> None:
        def tell(done: Done) -> None:
            computed.append(done.number)
            told(done)
            if len(computed) == count:
                raise Stopped

        run_local(task, shards, workers, threads, tell)

    monkeypatch.setattr(module, "run_local", run)
    return computed


def test_what_is_complete_is_not_done_again(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "expected.jsonl"
    score(bundle, [str(data)], expected, READING, workers=ONE)
    out = tmp_path / "out.jsonl"
    computed = stop_after(3, monkeypatch)
    with pytest.raises(Stopped):
        score(bundle, [str(data)], out, READING, workers=ONE)
    assert not out.exists()
    assert (tmp_path / "out.jsonl.work").is_dir()
    done = score(bundle, [str(data)], out, READING, workers=ONE)
    assert computed == list(range(10))
    assert (done.rows, done.new_rows) == (40, 28)
    assert out.read_bytes() == expected.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("expected.jsonl", "in.jsonl", "out.jsonl")
    ]


def test_a_job_with_other_settings_is_refused_by_name(
    bundle: Path,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out.jsonl"
    stop_after(1, monkeypatch)
    with pytest.raises(Stopped):
        score(bundle, [str(data)], out, READING, workers=ONE)
    other = bundle_of(checkpoint_of("bert", "topk"), survivors=False)
    changes: dict[str, dict[str, Any]] = {
        "shard-rows was 4, and is 5": {"reading": Reading(shard_rows=5)},
        "pruning was 1.0, and is 0.5": {"answering": Answering(pruning=0.5)},
        "bundle was [0-9a-f]{64}, and is [0-9a-f]{64}": {"bundle": other},
    }
    for message, change in changes.items():
        given = {"bundle": bundle, "reading": READING, **change}
        with pytest.raises(LtpError, match=message):
            score(inputs=[str(data)], output=out, workers=ONE, **given)
    write_jsonl(data, [{"text": "good"}])
    with pytest.raises(LtpError, match=r"in\.jsonl was changed.*give it up with --force"):
        score(bundle, [str(data)], out, READING, workers=ONE)
    score(bundle, [str(data)], out, READING, workers=ONE, force=True)
    assert [row["text"] for row in rows_of(out)] == ["good"]


@pytest.mark.parametrize(
    ("name", "call"), [("out.jsonl", "shutil"), ("out", "shutil"), ("out", "os.rename")]
)
def test_an_output_that_was_cut_off_at_its_end_is_finished(
    name: str, call: str, bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    out, reading = tmp_path / name, Reading(keep="text", shard_rows=20)
    with monkeypatch.context() as patch:
        replacement = stop if call == "os.rename" else SimpleNamespace(rmtree=stop)
        patch.setattr(f"ltp_deploy.score.job.{call}", replacement)
        with pytest.raises(Stopped):
            score(bundle, [str(data)], out, reading, workers=ONE)
    done = score(bundle, [str(data)], out, reading, workers=ONE)
    assert (done.rows, done.new_rows) == (40, 0)
    assert len(rows_of(out)) == 40
    assert not (tmp_path / f"{name}.work").exists()


def test_a_folder_of_somebody_else_is_left_alone(bundle: Path, data: Path, tmp_path: Path) -> None:
    work = tmp_path / "out.jsonl.work"
    work.mkdir()
    (work / "trainer_state.json").touch()
    with pytest.raises(LtpError, match="holds no job of `score`"):
        score(bundle, [str(data)], tmp_path / "out.jsonl", READING, workers=ONE)
    assert [path.name for path in work.iterdir()] == ["trainer_state.json"]


class Running:
    """The command in a process of its own, over so many rows that it does not end meanwhile."""

    def __init__(self, bundle: Path, folder: Path, *more: str) -> None:
        self.folder, self.out = folder, folder / "out.jsonl"
        texts = random_texts(6000, seed=9)
        data = write_jsonl(
            folder / "in.jsonl", [{"text": text, "id": i} for i, text in enumerate(texts)]
        )
        (folder / "tmp").mkdir(exist_ok=True)
        self.command = [sys.executable, "-m", "ltp_deploy.cli", "score", str(bundle), str(data)]
        self.command += ["-o", str(self.out), "--shard-rows", "20", *more]
        self.texts = texts
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=as_from_a_terminal,
        )
        return self.process

    def wait_for(self, count: int) -> None:
        """Until so many shards are complete."""
        end = time.monotonic() + SECONDS
        while len(self.done()) < count:
            assert time.monotonic() < end
            assert self.process is not None
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def done(self) -> list[Path]:
        return sorted((self.folder / "out.jsonl.work" / "done").glob("*.json"))

    def finish(self) -> None:
        """Run it again, to its end, and look at the output."""
        before = times(self.done())
        assert before
        process, seen = self.start(), dict(before)
        while process.poll() is None:
            now = times(self.done())
            assert all(now.get(path, then) == then for path, then in seen.items()), "done twice"
            seen |= now
            time.sleep(0.05)
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "rows of them now" in out
        self.check()

    def check(self) -> None:
        """Every row is there once, in its order, and nothing else is left."""
        found = rows_of(self.out)
        assert [row["id"] for row in found] == list(range(len(self.texts)))
        assert [row["text"] for row in found] == self.texts
        assert all(row["logits"] for row in found)
        assert [p.name for p in self.folder.iterdir() if "out" in p.name] == ["out.jsonl"]
        assert list((self.folder / "tmp").iterdir()) == []


def as_from_a_terminal() -> None:
    """Whatever the shell of the tests ignores."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def times(paths: list[Path]) -> dict[Path, int]:
    """When each file was written, of those that are there."""
    found = {}
    for path in paths:
        with suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


def children(pid: int) -> list[int]:
    """All processes below one."""
    found = []
    for path in Path("/proc").glob(f"{pid}/task/*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *children(child)]
    return found


def workers_below(pid: int) -> list[int]:
    """Those that score."""
    named = [(child, Path(f"/proc/{child}/cmdline").read_bytes()) for child in children(pid)]
    return [child for child, line in named if b"spawn_main" in line]


def gone(pids: list[int]) -> bool:
    """Whether all of them end."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_stopped_goes_on(stop: signal.Signals, bundle: Path, tmp_path: Path) -> None:
    job = Running(bundle, tmp_path, "--workers", "2")
    process = job.start()
    job.wait_for(5)
    below = children(process.pid)
    assert len(workers_below(process.pid)) == 2
    process.send_signal(stop)
    _, errors = process.communicate(timeout=SECONDS)
    if stop == signal.SIGKILL:
        assert process.returncode == -stop
    else:
        assert process.returncode == 128 + stop
        assert errors.splitlines()[-1] == (
            f"stopped by {stop.name}; what is complete stays, and the same command goes on"
        )
    assert gone(below)
    assert stop == signal.SIGKILL or not any((tmp_path / "tmp").iterdir())
    assert job.done()
    job.finish()


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(bundle: Path, tmp_path: Path) -> None:
    job = Running(bundle, tmp_path, "--workers", "2")
    process = job.start()
    job.wait_for(5)
    first = workers_below(process.pid)
    os.kill(first[0], signal.SIGKILL)
    job.wait_for(len(job.done()) + 40)
    assert len(set(workers_below(process.pid)) - set(first)) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SECONDS)
    job.finish()


def test_workers_that_die_of_the_same_rows_are_an_error(
    bundle: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltp_deploy.score.local._work", _die_at_the_second)
    with pytest.raises(LtpError) as error:
        score(bundle, [str(data)], tmp_path / "out.jsonl", READING, workers=ONE)
    assert str(error.value) == (
        "3 workers ended one after another, the last by SIGKILL, at rows 5 to 8; is the memory "
        "full? fewer --workers need less"
    )


def _die_at_the_second(task: Task, pipe: Any, parent: int) -> None:
    """A worker that dies of its second shard, having written nothing of it."""
    while True:
        shard: Shard = pipe.recv()
        if shard.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        done = Done(shard.number, shard.rows, 0, ())
        task.record(shard.number).write_text(json.dumps({**vars(done), "failures": []}))
        pipe.send(done)
