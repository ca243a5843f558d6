"""Leases on files: whoever wants to write to one waits until its readers have a copy."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from ltp_deploy.bundle.memory import Memory

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

    @property
    def path(self) -> str:
        """The open file's, whatever its name holds by now."""
        return f"/proc/self/fd/{self._descriptor}"

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

    def renew(self) -> None:
        """In a forked process: take a lease of its own, or go on with a copy."""
        self._lock = threading.Lock()  # another thread may have held it
        if not self.held:
            return
        inherited, self._process = self._descriptor, os.getpid()
        try:
            self._descriptor = _open_with_lease(f"/proc/self/fd/{inherited}")
        except OSError:
            self.held = False
            if self._memory is not None:
                self._memory.detach()
        finally:
            os.close(inherited)

    def _end(self) -> None:
        if not self.held:
            return
        self.held = False
        try:
            # The lease belongs to the open file, which a forked process has as well: closing it
            # here would not end the lease while that one lives, and ending it there would end it
            # here.
            if self._process == os.getpid():
                with suppress(OSError):  # the kernel has ended it already
                    fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        finally:
            os.close(self._descriptor)


class _Guard:
    """The thread that the kernel tells of writers who wait, by the signal SIGIO.

    They wait for as many seconds as /proc/sys/fs/lease-break-time says, 45 as a rule.
    """

    def __init__(self) -> None:
        self._leases: weakref.WeakSet[Lease] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._start()

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases.add(lease)
        lease.serve()  # the signal may have come before

    def renew(self) -> None:
        """In a forked process, where only the thread that forked goes on."""
        self._lock = threading.Lock()
        self._start()
        for lease in list(self._leases):
            lease.renew()

    def _start(self) -> None:
        self._started = threading.Event()
        threading.Thread(target=self._watch, name="ltp-leases", daemon=True).start()
        self._started.wait()

    def _watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
        self.thread = threading.get_native_id()
        self._started.set()
        while True:
            signal.sigwaitinfo({signal.SIGIO})
            with self._lock:
                leases = list(self._leases)
            for lease in leases:
                lease.serve()


_guard: _Guard | None = None
_starting = threading.Lock()


def _started_guard() -> _Guard:
    global _guard
    with _starting:
        _guard = _guard or _Guard()
        return _guard


def _after_fork() -> None:
    global _starting
    _starting = threading.Lock()  # another thread may have held it
    if _guard is not None:
        _guard.renew()


os.register_at_fork(after_in_child=_after_fork)


def take_lease(path: Path) -> Lease | None:
    """A lease on a file; None where the system grants none.

    It grants none on files of other users, on files that are open for writing, on most network file
    systems, and elsewhere than on Linux. Where threads are not the system's own, as with gevent,
    none is taken: the guard would stop all of them.
    """
    if not hasattr(fcntl, "F_SETLEASE") or _threads_are_replaced():
        return None
    try:
        lease = Lease(_open_with_lease(path))
    except OSError:  # whoever copies the file instead finds out whether it can be read
        return None
    _started_guard().add(lease)
    return lease


def _open_with_lease(path: Path | str) -> int:
    """The descriptor of an open file with a lease. Raises OSError where none is granted."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # First the owner: until there is one the signal goes to the process, and would end it.
        owner = struct.pack("ii", _THREAD, _started_guard().thread)
        fcntl.fcntl(descriptor, _SET_OWNER, owner)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _threads_are_replaced() -> bool:
    gevent = sys.modules.get("gevent.monkey")
    return gevent is not None and bool(gevent.is_module_patched("threading"))
