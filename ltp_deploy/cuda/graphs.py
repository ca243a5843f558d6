"""CUDA graphs of computations that are asked for repeatedly."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable

from ltp_deploy.errors import LtpError


class Graphs(ABC):
    """CUDA graphs by key, all of one stream.

    The first and the second time that a key comes its computation runs as it is, and after the
    second it is captured: by then the libraries that it uses have been set up on this thread. From
    the third time on the graph is replayed.

    Args:
        most: graphs that are kept: those of the first keys that came twice.
    """

    def __init__(self, most: int):
        self._most = most
        self._seen: Counter[Hashable] = Counter()
        self._captured: dict[Hashable, Callable[[], object]] = {}

    def run(self, key: Hashable, compute: Callable[[], None]) -> None:
        """Have a computation done on the stream.

        Args:
            key: what it depends on. Equal keys are the same kernels on the same addresses.
            compute: queues the kernels, without a host sync.
        """
        if key in self._captured:
            self._captured[key]()
            return
        compute()
        self._seen[key] += 1
        if self._seen[key] != 2:
            return
        if len(self._captured) == self._most and not self.make_room():
            return
        try:
            self._captured[key] = self.capture(key, compute)
        except (RuntimeError, LtpError) as error:
            warnings.warn(f"not captured in a CUDA graph, and so slower: {error}", stacklevel=2)

    @abstractmethod
    def capture(self, key: Hashable, compute: Callable[[], None]) -> Callable[[], object]:
        """Capture a computation; returns what replays it.

        Raises:
            RuntimeError, LtpError: it cannot be captured, and the stream is as it was.
        """

    def make_room(self) -> bool:
        """Drop graphs for one more; false where those that there are stay. To capture anew again
        and again would take longer than graphs save."""
        return False
