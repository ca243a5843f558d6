"""Commands that write work in a child process, so that nothing is left of them, whatever ends them.

Libraries cannot be interrupted at any time: a signal's exception is lost in a callback of C++, and
some abort where a disk is full. A child can be killed, and the process that waits for it cleans up.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from ltp_deploy.bundle.unfinished import journalled, keep_journal, no_room, remove, unfinished
from ltp_deploy.hardware.parent import die_with

_STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)
_SIGNALLED = 128  # and the number of a signal: the exit status of what it ended, as in shells


def in_child(advice: str = "") -> None:
    """Return in a child process. This one waits for it, cleans up, and ends with its exit status,
    or with that of the signal that ended it.

    Args:
        advice: is said where a signal ended the work.
    """
    watched = {s for s in _STOPS | {signal.SIGTSTP} if signal.getsignal(s) != signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched | {signal.SIGCHLD})
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with unfinished(Path(tempfile.gettempdir(), "ltp-deploy")) as scratch:
        journal = scratch / "unfinished"
        sys.stdout.flush()
        sys.stderr.flush()
        parent, child = os.getpid(), os.fork()
        with suppress(OSError):  # in both, or a signal may come before the child has its group
            os.setpgid(child, child)
        if child == 0:
            die_with(parent)
            for number in _TERMINAL:  # which stop a group in the background, as the child's is
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.environ["TMPDIR"] = str(scratch)
            tempfile.tempdir = None
            keep_journal(journal)
            return
        stopped, status = _wait(child, watched)
        left = journalled(journal)
        if stopped is None and os.WIFSIGNALED(status):
            said = [_end(os.WTERMSIG(status)), no_room((*left, scratch)), advice]
            click.echo(f"Error: {'; '.join(filter(None, said))}", err=True)
        for path in left if status != 0 else ():
            remove(path)
    if stopped is not None:
        sys.exit(say_stopped(stopped, advice))
    sys.exit(_SIGNALLED + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def say_stopped(number: int, advice: str = "") -> int:
    """Say which signal stopped a command, and what to do; returns its exit status."""
    newline = "\n" if sys.stderr.isatty() else ""  # after the ^C
    more = f"; {advice}" if advice else ""
    click.echo(f"{newline}stopped by {signal.Signals(number).name}{more}", err=True)
    return _SIGNALLED + number


def _end(number: int) -> str:
    """How a process ended that could not say it itself."""
    if number == signal.SIGKILL:
        return "the system ended the process with SIGKILL, as it does where memory runs out"
    return f"a library ended the process with {signal.Signals(number).name}"


def _wait(child: int, watched: set[signal.Signals]) -> tuple[int | None, int]:
    """(the signal that stopped the work, None where it ended before one came; the child's wait
    status)."""
    stopped = None
    while True:
        found = signal.sigwait(watched | {signal.SIGCHLD})
        if found == signal.SIGTSTP:
            os.killpg(child, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.killpg(child, signal.SIGCONT)
            continue
        if found != signal.SIGCHLD:
            os.killpg(child, signal.SIGKILL)
            stopped = found
        pid, status = os.waitpid(child, os.WNOHANG if stopped is None else 0)
        if pid == child:
            return stopped if os.WIFSIGNALED(status) else None, status
