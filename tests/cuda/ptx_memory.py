"""What PTX reads and writes, and the rules that a GPU has for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

NO_THREAD, SEVERAL = -1, -2  # in place of a thread


class PtxError(Exception):
    """The program does what no GPU allows."""


class Memory:
    """An address space, or a part of one from `base` on."""

    def __init__(self, contents: np.ndarray, base: int = 0):
        self.contents, self._base = contents, base

    def at(self, address: Any, dtype: np.dtype, count: int) -> tuple[np.ndarray, np.ndarray]:
        """All of it as unsigned integers, and which of those lie at the addresses: [lanes, count].

        Raises:
            PtxError: an address is not a multiple of the size of all it is to give.
        """
        size = dtype.itemsize
        address = address - self._base
        if ((address % (size * count)) != 0).any() or (address < 0).any():
            raise PtxError("an address is not aligned, or negative")
        return self.contents.view(f"u{size}"), address[:, None] // size + np.arange(count)

    def touch(self, places: np.ndarray, size: int, threads: np.ndarray, writes: bool) -> None:
        """Take note of an access by threads [lanes] to places [lanes, n] of `size` bytes."""


class GlobalMemory(Memory):
    """All of this process. Other blocks see changes no sooner than a GPU promises: those by atomics
    whose result nobody reads at a fence of their block, or after the grid. Threads whose writes a
    fence of another one is to cover must have come to a barrier with it before."""

    def __init__(self, contents: np.ndarray, base: int):
        super().__init__(contents, base)
        self._writers: set[int] = set()  # since the last barrier
        self._posted: list[Callable[[], None]] = []
        self._not_fenced: list[Callable[[], None]] = []

    def touch(self, places: np.ndarray, size: int, threads: np.ndarray, writes: bool) -> None:
        if writes:
            self._writers.update(threads.tolist())

    def post(self, change: Callable[[], None]) -> None:
        self._posted.append(change)

    def barrier(self) -> None:
        self._writers.clear()

    def fence(self, threads: np.ndarray) -> None:
        if self._writers - set(threads.tolist()):
            raise PtxError("a race for global memory: others wrote there since the last barrier")
        for change in self._posted:
            change()
        self._posted.clear()

    def end_block(self) -> None:
        self._not_fenced += self._posted
        self._posted.clear()

    def end_grid(self) -> None:
        for change in self._not_fenced:
            change()
        self._not_fenced.clear()


class SharedMemory(Memory):
    """Notices threads that depend on each other's accesses with no barrier in between, word by
    word: neighbours that share a word of 4 bytes count as dependent too."""

    def __init__(self, size: int):
        super().__init__(np.zeros(size, np.uint8))
        words = -(-size // 4)
        self._writer, self._reader = np.full((2, words), NO_THREAD)

    def barrier(self) -> None:
        """What came before is before what comes after, for the whole block."""
        self._writer[...] = self._reader[...] = NO_THREAD

    def touch(self, places: np.ndarray, size: int, threads: np.ndarray, writes: bool) -> None:
        words = places[:, :, None] * size // 4 + np.arange(max(1, size // 4))
        words = words.reshape(len(places), -1)
        threads = np.broadcast_to(threads[:, None], words.shape)
        others = [self._writer] + [self._reader] * writes
        if any(((seen[words] != NO_THREAD) & (seen[words] != threads)).any() for seen in others):
            raise PtxError("a race for shared memory")
        if writes:
            self._writer[words] = threads
            if (self._writer[words] != threads).any():
                raise PtxError("a race for shared memory: two threads write there")
        else:
            seen = self._reader[words]
            self._reader[words] = np.where(seen == NO_THREAD, threads, seen)
            self._reader[words[self._reader[words] != threads]] = SEVERAL
