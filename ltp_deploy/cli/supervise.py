"""Commands that write work in a child process, so that nothing is left of them, whatever ends them.

Libraries cannot be interrupted at any time: a signal's exception is lost in a callback of C++, and
some abort where a disk is full. A child can be killed, and the process that waits for it cleans up.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from ltp_deploy.bundle.unfinished import keep_journal, remove_journalled, unfinished
from ltp_deploy.hardware.parent import die_with

_STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_FULL = 1 << 20  # bytes that are free on a disk which is as good as full


def in_child(advice: str = "") -> None:
    """Return in a child process. This one waits for it, cleans up, and ends with its exit status:
    128 + the number of the signal, where one ended it.

    Args:
        advice: is said where the work was stopped.
    """
    with unfinished(Path(tempfile.gettempdir(), "ltp-deploy")) as scratch:
        journal = scratch / "unfinished"
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        watched = {s for s in _STOPS | {signal.SIGTSTP} if signal.getsignal(s) != signal.SIG_IGN}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, watched | {signal.SIGCHLD})
        sys.stdout.flush()
        sys.stderr.flush()
        parent, child = os.getpid(), os.fork()
        with suppress(OSError):  # in both, or a signal may come before the child has its group
            os.setpgid(child, child)
        if child == 0:
            die_with(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.environ["TMPDIR"] = str(scratch)
            tempfile.tempdir = None
            keep_journal(journal)
            return
        stopped, status = _wait(child, watched)
        if status != 0:
            message = _message(stopped, status, [Path(), scratch], advice)
            remove_journalled(journal)
            if message:
                click.echo("\n" * sys.stderr.isatty() + message, err=True)
    sys.exit(_exit_status(stopped, status))


def _wait(child: int, watched: set[signal.Signals]) -> tuple[int | None, int]:
    """(the signal that stopped the work, None where none came; the child's wait status)."""
    while True:
        found = signal.sigwait(watched | {signal.SIGCHLD})
        if found == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                return None, status
        elif found == signal.SIGTSTP:
            os.killpg(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.killpg(child, signal.SIGCONT)
        else:
            os.killpg(child, signal.SIGKILL)
            return found, os.waitpid(child, 0)[1]


def _message(stopped: int | None, status: int, places: list[Path], advice: str) -> str:
    """One line, for what the child could not say itself."""
    if stopped is not None:
        return "; ".join([f"stopped by {signal.Signals(stopped).name}", *[advice] * bool(advice)])
    if not os.WIFSIGNALED(status):
        return ""
    full = [str(place.absolute()) for place in places if shutil.disk_usage(place).free < _FULL]
    name = signal.Signals(os.WTERMSIG(status)).name
    reason = f", and the disk of {full[0]} is full" if full else ""
    more = f"; {advice}" if advice else ""
    return f"Error: a library ended the process with {name}{reason}{more}"


def _exit_status(stopped: int | None, status: int) -> int:
    if stopped is not None:
        return 128 + stopped
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
