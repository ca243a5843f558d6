"""Commands that write leave nothing, whatever ends them, and say in one line what did."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

SECONDS = 60  # within which whatever a test waits for has long happened

# A command that writes: it makes what `new_directory` and `tempfile` give, and then does what it
# is told.
COMMAND = """
import ctypes, os, signal, subprocess, sys, tempfile, time
from pathlib import Path
import click
from ltp_deploy.bundle.directory import new_directory
from ltp_deploy.cli.command import Group, WritingCommand
from ltp_deploy.errors import LtpError

@click.group(cls=Group)
def main(): pass

@main.command(cls=WritingCommand)
@click.argument("output", type=Path)
@click.argument("then")
def write(output, then):
    with new_directory(output, False, "marker", "thing") as work:
        (work / "marker").touch()
        tempfile.mkdtemp()
        subprocess.Popen(["sleep", "1000"]) if then == "parent" else None
        print("ready", os.getpid(), flush=True)
        if then == "abort":
            os.abort()
        if then == "error":
            raise LtpError("what was wrong")
        if then == "library":  # holds the GIL, and comes to no signal handler of Python
            ctypes.PyDLL(None).sleep(1000)
        if then == "wait":
            time.sleep(1000)
main()
"""


class Run:
    """The command in a process of its own, once it has begun to write."""

    def __init__(self, folder: Path, then: str, ignored: Sequence[int] = ()):
        (folder / "tmp").mkdir()
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "write", str(folder / "above" / "output"), then],
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: self.set_signals(ignored),
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline().split()
        assert ready[:1] == ["ready"]
        self.child = int(ready[1])

    @staticmethod
    def set_signals(ignored: Sequence[int]) -> None:
        """Whatever the shell of the tests ignores."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    def end(self) -> tuple[int, str]:
        """(exit status, what stands on stderr)."""
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors

    @property
    def left(self) -> list[str]:
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*")]


@pytest.mark.parametrize("then", ["wait", "library"])
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_the_work_wherever_it_is(
    stop: signal.Signals, then: str, tmp_path: Path
) -> None:
    run = Run(tmp_path, then)
    run.process.send_signal(stop)
    assert run.end() == (128 + stop, f"stopped by {stop.name}\n")
    assert run.left == ["tmp"]


def test_a_signal_that_the_shell_ignores_is_ignored(tmp_path: Path) -> None:
    run = Run(tmp_path, "wait", ignored=[signal.SIGHUP])
    run.process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.3)
    run.process.terminate()
    assert run.end()[0] == 128 + signal.SIGTERM


def test_what_a_library_does_to_the_process_is_an_error(tmp_path: Path) -> None:
    run = Run(tmp_path, "abort")
    status, errors = run.end()
    assert status == 128 + signal.SIGABRT
    assert errors.endswith("Error: a library ended the process with SIGABRT\n")
    assert run.left == ["tmp"]


def test_the_exit_status_is_that_of_the_command(tmp_path: Path) -> None:
    failed = tmp_path / "failed"
    failed.mkdir()
    run = Run(failed, "error")
    assert run.end() == (1, "Error: what was wrong\n")
    assert run.left == ["tmp"]
    done = tmp_path / "done"
    done.mkdir()
    run = Run(done, "nothing")
    assert run.end() == (0, "")
    assert sorted(run.left) == ["above", "above/output", "above/output/marker", "tmp"]


def test_the_work_ends_with_the_process_that_waits_for_it(tmp_path: Path) -> None:
    run = Run(tmp_path, "wait")
    run.process.kill()
    run.end()
    for _ in range(SECONDS * 10):
        if not Path(f"/proc/{run.child}/fd/0").exists():  # gone, or dead and not yet waited for
            break
        time.sleep(0.1)
    assert not Path(f"/proc/{run.child}/fd/0").exists()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "torchscript", "onnx"])
def test_a_full_disk_is_an_error_that_leaves_nothing(
    target: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = [str(checkpoint_of("bert", "reference")), "--target", target, "-o"]
    done = subprocess.run(
        [sys.executable, "-m", "ltp_deploy.cli", "build", *arguments, str(tmp_path / "out")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert os.listdir(tmp_path) == []
