"""A request as the engine takes it: checked, and in token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ltp_deploy.data.batch import PackedBatch, join


@dataclass(frozen=True)
class Request:
    """The sequences of one request.

    Attributes:
        truncated: [N] bool, which texts were cut; None where token ids were given.
        windows: [N] how many sequences each text became; None where the engine makes no windows.
    """

    batch: PackedBatch
    truncated: np.ndarray | None = None
    windows: np.ndarray | None = None

    @property
    def in_windows(self) -> bool:
        """Whether some text is several sequences."""
        return self.windows is not None and bool((self.windows > 1).any())

    def pieces(self, tokens: int, sequences: int = 0) -> list[Request]:
        """The texts in their order, as requests of at most so many tokens and sequences.

        A text is never split, so one that has more of either is a request of its own.

        Args:
            sequences: 0 for any number.
        """
        lengths = self.batch.lengths
        if lengths.sum() <= tokens and len(lengths) <= (sequences or len(lengths)):
            return [self]
        counts = np.ones(len(lengths), np.int64) if self.windows is None else self.windows
        starts = np.cumsum(counts) - counts
        sizes = zip(np.add.reduceat(lengths, starts).tolist(), counts.tolist(), strict=True)
        firsts, length, count = [0], 0, 0
        for text, (more, others) in enumerate(sizes):
            length, count = length + more, count + others
            if text > firsts[-1] and (length > tokens or count > (sequences or count)):
                firsts.append(text)
                length, count = more, others
        return [self._part(first, end) for first, end in pairwise([*firsts, len(counts)])]

    def _part(self, first: int, end: int) -> Request:
        """The texts from `first` up to `end`."""
        counts = np.ones(end, np.int64) if self.windows is None else self.windows
        before, after = int(counts[:first].sum()), int(counts[:end].sum())
        return Request(
            self.batch.select(range(before, after)),
            None if self.truncated is None else self.truncated[first:end],
            None if self.windows is None else self.windows[first:end],
        )


def joined(requests: Sequence[Request]) -> PackedBatch:
    """The sequences of several requests as one batch."""
    return requests[0].batch if len(requests) == 1 else join([r.batch for r in requests])
