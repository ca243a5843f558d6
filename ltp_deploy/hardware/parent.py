"""Processes that end with the one that started them, whatever ended that one."""

from __future__ import annotations

import ctypes
import os
import signal

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def die_with(parent: int) -> None:
    """Kill this process as soon as the thread that started it ends.

    Args:
        parent: the process that started this one, in case that it has ended already.
    """
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        os._exit(1)
