"""The sizes that requests are run as, few enough that each has a CUDA graph of its own, and answers
without what was added."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np


def row_bucket(rows: float) -> int:
    """The number of rows that a request of `rows` is run as: at most an eighth more, a sixteenth
    beyond 1024, or 7."""
    power = max(8, 1 << (ceil(rows) - 1).bit_length())
    step = max(8, power // 32, min(64, power // 16))
    return ceil(rows / step) * step


def sequence_bucket(sequences: int, most: int) -> int:
    """Likewise: the next power of two, or the most that the engine accepts."""
    return min(1 << (sequences - 1).bit_length(), most)


def without_padding(answers: Mapping[str, np.ndarray], sequences: int) -> dict[str, np.ndarray]:
    """Copies of an engine's outputs, for a request of `sequences`, without padding at their ends.

    Args:
        answers: `logits` [at least B, labels], and of each layer whose survivors are reported its
            `offsets` [at least B+1] and others [at least as many rows as the offsets say].
    """
    return {name: _trimmed(name, answers, sequences).copy() for name in answers}


def _trimmed(name: str, answers: Mapping[str, np.ndarray], sequences: int) -> np.ndarray:
    if name == "logits":
        return answers[name][:sequences]
    layer, _, part = name.rpartition(".")
    offsets = answers[f"{layer}.offsets"][: sequences + 1]
    return offsets if part == "offsets" else answers[name][: offsets[-1]]
