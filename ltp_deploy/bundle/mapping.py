"""Files in memory as they were when they were opened, shared with other processes where possible.

A file that is mapped costs nothing to load, and processes share its pages. But whoever writes to it
changes what its readers see, and whoever cuts it short kills them. So it is mapped under a lease,
and a copy takes the mapping's place, at the same address, before a writer may begin. Where no lease
is to be had, the file is copied at once.
"""

from __future__ import annotations

import weakref
from pathlib import Path

from ltp_deploy.bundle.lease import Lease, take_lease
from ltp_deploy.bundle.memory import Memory


class MappedFile:
    """The contents of a file.

    Attributes:
        data: its bytes, not to be written to, and valid as long as this object lives.
    """

    def __init__(self, path: Path):
        """Raises OSError where the file cannot be read."""
        self._lease = take_lease(path)
        try:
            memory = self._lease.mapped() if self._lease is not None else None
            self._memory = memory or Memory.copied(path)
        except BaseException:
            if self._lease is not None:
                self._lease.end()
            raise
        self.data = self._memory.data()
        weakref.finalize(self, _release, self._lease, self._memory).atexit = False

    @property
    def shared(self) -> bool:
        """Whether other processes that read the file use the same memory."""
        return self._lease is not None and self._lease.held

    @property
    def path(self) -> str | None:
        """Where the open file can be read once more, whatever its name holds by now; None where it
        was copied. What is read there is `data` if the file is still `shared` afterwards."""
        return self._lease.path if self._lease is not None and self._lease.held else None


def _release(lease: Lease | None, memory: Memory) -> None:
    if lease is not None:
        lease.end()
    memory.release()
