"""How many tokens survive each layer on given data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltp_deploy.pruning.policy import Carry


@dataclass(frozen=True)
class SurvivorProfile:
    """Token counts of N sequences, measured by the oracle or prescribed.

    Attributes:
        alive: [N, L+1] int64; tokens alive entering layer l, then after the last layer.
        finished: [N, L] bool; the first token is dead after layer l, so the answer is decided.
    """

    alive: np.ndarray
    finished: np.ndarray

    @classmethod
    def from_survivors(cls, lengths: np.ndarray, survivors: np.ndarray) -> SurvivorProfile:
        """From lengths [N] and the oracle's survivors [N, L, n] bool."""
        alive = np.concatenate([lengths[:, None], survivors.sum(2)], 1).astype(np.int64)
        return cls(alive, ~survivors[:, :, 0])

    @classmethod
    def unpruned(cls, lengths: np.ndarray, layers: int) -> SurvivorProfile:
        """Of a model that prunes nothing, for sequences of these lengths [N]."""
        alive = np.repeat(lengths[:, None], layers + 1, axis=1).astype(np.int64)
        return cls(alive, np.zeros((len(lengths), layers), bool))

    def carried(self, carries: tuple[Carry, ...]) -> np.ndarray:
        """Rows [N, L+1] that an engine holds: entering each layer, and behind the last one."""
        rows = self.alive.copy()
        for layer, carry in enumerate(carries):
            if carry is Carry.ALL:
                rows[:, layer + 1] = rows[:, layer]
            elif carry is Carry.FIRST:
                rows[:, layer + 1] = 1
            else:
                rows[:, layer + 1] = np.where(self.finished[:, layer], 1, self.alive[:, layer + 1])
        return rows
