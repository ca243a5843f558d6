"""Commands that write leave nothing, whatever ends them, and say in one line what did."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.signals import set_signals

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
        if then == "full":  # as PyTorch does
            raise RuntimeError("[enforce fail] unexpected pos 64 vs 0")
        if then == "terminal":
            open("/dev/tty").readline()
main()
"""
FULL_DISK = 20_000  # bytes that a process may write into a file: what it can ask for, fails


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, FULL_DISK))


class Run:
    """The command in a process of its own, once it has begun to write."""

    def __init__(
        self,
        folder: Path,
        then: str,
        ignored: Sequence[int] = (),
        before: Callable[[], None] = lambda: None,
    ):
        (folder / "tmp").mkdir()
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "write", str(folder / "above" / "output"), then],
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: (set_signals(ignored), before()),
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline().split()
        assert ready[:1] == ["ready"]
        self.child = int(ready[1])

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


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("abort", "a library ended the process with SIGABRT"),
        ("full", "[enforce fail] unexpected pos 64 vs 0"),
    ],
)
def test_a_full_disk_is_named_whatever_it_does_to_a_library(
    then: str, said: str, tmp_path: Path
) -> None:
    run = Run(tmp_path, then, before=limit_files)
    _, errors = run.end()
    full = f"{tmp_path / 'above'} takes no more data: File too large"
    assert errors.splitlines()[-1] == f"Error: {said}; {full}"
    assert "Traceback" not in errors
    assert run.left == ["tmp"]


def test_who_has_no_memory_left_hears_of_it(tmp_path: Path) -> None:
    run = Run(tmp_path, "wait")
    os.kill(run.child, signal.SIGKILL)
    status, errors = run.end()
    assert status == 128 + signal.SIGKILL
    assert errors.endswith("with SIGKILL, as it does where memory runs out\n")


def test_work_that_was_done_when_a_signal_came_is_done() -> None:
    code = """
import os, signal
from ltp_deploy.cli.supervise import _wait
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
if (child := os.fork()) == 0:
    os.setpgid(0, 0)
    os._exit(7)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
os.kill(os.getpid(), signal.SIGTERM)
stopped, status = _wait(child, {signal.SIGTERM})
print(stopped, os.WEXITSTATUS(status))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "None 7\n", done.stderr


def test_work_that_reads_the_terminal_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A process of a group in the background is stopped for it, and nobody would go on."""
    terminal, own = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(own, termios.TIOCSCTTY, 0)

    run = Run(tmp_path, "terminal", before=take_terminal)
    try:
        assert run.end() == (1, "Error: Input/output error\n")
    finally:
        run.process.kill()
        os.close(terminal)
        os.close(own)


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_standard_streams_may_be_closed(closed: list[int], tmp_path: Path) -> None:
    closing = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(
        ["bash", "-c", f'exec "$@" {closing}', "", sys.executable, "-c", COMMAND]
        + ["write", str(tmp_path / "output"), "nothing"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path / "output") == ["marker"]


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
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert os.listdir(tmp_path) == []
