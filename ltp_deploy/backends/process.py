"""What becomes of loaded engines where their process ends, or is forked."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
import weakref

from ltp_deploy.backends.backend import Session
from ltp_deploy.errors import EngineClosed

_REST = 0.02  # seconds after a call, until the threads of its library sleep


class _NativeCalls:
    """Around calls that compute outside of Python: the process is forked between them, and ends
    after them.

    A daemon thread that came back from one later would find no interpreter, and be ended in the
    middle of C++ code, which aborts the process. A thread that holds a lock of its library while
    the process is forked holds it in the child for ever, where even a new engine waits for it.

    Raises:
        EngineClosed: the process is ending.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: list[int] = []  # the threads that they are made in
        self._last = 0.0  # when one ended
        self._ending = False

    def __enter__(self) -> None:
        with self._changed:
            if self._ending:
                raise EngineClosed("the process is ending, so nothing new begins")
            self._running.append(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running.remove(threading.get_ident())
            self._last = time.monotonic()
            self._changed.notify_all()

    def end(self) -> None:
        """Let none begin any more, and wait for those that have begun."""
        with self._changed:
            self._ending = True
            self._changed.wait_for(lambda: not self._running)

    def pause(self) -> None:
        """Before a fork: let none begin, and wait for those of other threads."""
        self._changed.acquire()
        this = threading.get_ident()
        self._changed.wait_for(lambda: all(thread == this for thread in self._running))
        time.sleep(max(0.0, self._last + _REST - time.monotonic()))

    def go_on(self) -> None:
        """After a fork, in the parent."""
        self._changed.release()

    def after_fork(self) -> None:
        """In the child: forget the calls of threads that are in the parent alone."""
        self._changed = threading.Condition()
        self._running = []


native_calls = _NativeCalls()
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_inherited: frozenset[str] = frozenset()


def keep_in_forks(session: Session) -> None:
    """Never destroy the session in processes that are forked: the libraries would wait for threads
    that are in the parent alone, for ever."""
    _sessions.add(session)


def inherited(module: str) -> bool:
    """Whether this process was forked after the module was imported."""
    return module in _inherited


def _after_fork() -> None:
    global _inherited
    _inherited = frozenset(sys.modules)
    native_calls.after_fork()
    for session in list(_sessions):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


atexit.register(native_calls.end)
os.register_at_fork(
    before=native_calls.pause, after_in_parent=native_calls.go_on, after_in_child=_after_fork
)
