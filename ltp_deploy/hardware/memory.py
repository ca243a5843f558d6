"""Memory of this process, as Linux counts it."""

from __future__ import annotations

from pathlib import Path


def peak_mib() -> float:
    """The most memory in MiB that this process has held.

    `ru_maxrss` would begin with the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
