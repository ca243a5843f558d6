"""A request as the engine takes it: checked, and in token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


def joined(requests: Sequence[Request]) -> PackedBatch:
    """The sequences of several requests as one batch."""
    return requests[0].batch if len(requests) == 1 else join([r.batch for r in requests])
