"""Leases on files: whoever wants to write to one waits until its readers have a copy."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from ltp_deploy.bundle.memory import Memory

_LINUX = hasattr(fcntl, "F_SETLEASE")
_SET_OWNER, _THREAD = 15, 0  # F_SETOWN_EX and F_OWNER_TID of <fcntl.h>


class Lease:
    """A lease on an open file, until `end`, or until someone wants to write to the file.

    Whoever opens it for writing, or truncates it, waits meanwhile.
    """

    def __init__(self, descriptor: int):
        self._descriptor = descriptor
        self._memory: Memory | None = None
        self._lock = threading.Lock()
        self._process = os.getpid()
        self.held = True

    def mapped(self) -> Memory | None:
        """The file's pages, until a copy must take their place; None where the lease has ended."""
        with self._lock:
            if self.held:
                self._memory = Memory.mapped(self._descriptor)
            return self._memory

    def end(self) -> None:
        """Give the lease back and close the file, unless that is done already."""
        with self._lock:
            self._end()

    def serve(self) -> None:
        """If someone waits to write to the file: go on with a copy, and end."""
        with self._lock:
            if self.held and fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
                if self._memory is not None:
                    with suppress(OSError):  # no memory for a copy: the guard must go on
                        self._memory.detach()
                self._end()

    def _end(self) -> None:
        if not self.held:
            return
        self.held = False
        # The lease belongs to the open file, which a forked process has as well: closing it here
        # would not end the lease while that one lives, and ending it there would end it here.
        if self._process == os.getpid():
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(self._descriptor)


class _Guard:
    """The thread that the kernel tells of writers who wait, by the signal SIGIO.

    They wait for as many seconds as /proc/sys/fs/lease-break-time says, 45 as a rule.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.leases: weakref.WeakSet[Lease] = weakref.WeakSet()
        self._started = threading.Event()
        threading.Thread(target=self._watch, name="ltp-leases", daemon=True).start()
        self._started.wait()

    def _watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        self.thread = threading.get_native_id()
        self._started.set()
        while True:
            signal.sigwaitinfo({signal.SIGIO})
            for lease in list(self.leases):
                lease.serve()


_guard: _Guard | None = None
_lock = threading.Lock()


def take_lease(path: Path) -> Lease | None:
    """A lease on a file; None where the system grants none.

    It grants none on files of other users, on files that are open for writing, on most network file
    systems, and elsewhere than on Linux.

    Raises:
        OSError: the file cannot be opened.
    """
    if not _LINUX:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    guard = _started_guard()
    try:
        # First the owner: until there is one the signal goes to the process, and would end it.
        fcntl.fcntl(descriptor, _SET_OWNER, struct.pack("ii", _THREAD, guard.thread))
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        os.close(descriptor)
        return None
    lease = Lease(descriptor)
    guard.leases.add(lease)
    lease.serve()  # the signal may have come before
    return lease


def _started_guard() -> _Guard:
    """This process's guard: a forked process has none of its own yet."""
    global _guard
    with _lock:
        if _guard is None or _guard.process != os.getpid():
            _guard = _Guard()
        return _guard
