"""The sizes that requests are run as: few enough that each has a CUDA graph of its own."""

from __future__ import annotations

from math import ceil


def row_bucket(rows: float) -> int:
    """The number of rows that a request of `rows` is run as: at most an eighth more, a sixteenth
    beyond 1024, or 7."""
    power = max(8, 1 << (ceil(rows) - 1).bit_length())
    step = max(8, power // 32, min(64, power // 16))
    return ceil(rows / step) * step


def sequence_bucket(sequences: int, most: int) -> int:
    """Likewise: the next power of two, or the most that the engine accepts."""
    return min(1 << (sequences - 1).bit_length(), most)
