"""Memory of this process, as Linux counts it."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from pathlib import Path

# Of glibc's malloc.h: which blocks are mapped one by one, and how much free memory is kept, bytes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1


def peak_mib() -> float:
    """The most memory in MiB that this process has held.

    `ru_maxrss` would begin with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def keep_freed_blocks() -> None:
    """Let glibc keep large blocks of memory that were freed, for the rest of the process.

    Otherwise it returns them to the system, which clears them anew at every step: training on a CPU
    spends a good part of its time on that. Other C libraries are left as they are.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for parameter in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
            mallopt(parameter, _LARGEST)
