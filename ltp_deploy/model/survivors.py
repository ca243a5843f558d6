"""How many tokens survive each layer on given data, and how many rows an engine then holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltp_deploy.model.policy import Carry, Mode, PrunePolicy


@dataclass(frozen=True)
class SurvivorSummary:
    """What a bundle keeps of a profile, of any number of sequences.

    Attributes:
        sequences, tokens: how many sequences, and how many tokens one has on average.
        kept: [L] the share of a sequence's tokens that are alive after each layer, the mean over
            sequences; nothing of a finished sequence is alive.
        deviation: [L] the standard deviation of this share from sequence to sequence.
    """

    sequences: int
    tokens: float
    kept: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.sequences < 1 or len(self.kept) != len(self.deviation):
            raise ValueError("a profile needs sequences, and for each layer a share and its spread")


@dataclass(frozen=True)
class SurvivorProfile:
    """Token counts of N sequences, measured by the oracle or prescribed.

    Attributes:
        alive: [N, L+1] int64; tokens alive before each layer, then after the last one.
        finished: [N, L] bool; whether the sequence is finished after each layer.
    """

    alive: np.ndarray
    finished: np.ndarray

    @classmethod
    def from_survivors(cls, lengths: np.ndarray, survivors: np.ndarray) -> SurvivorProfile:
        """The profile of sequences with these lengths [N] and survivors [N, L, n] bool."""
        alive = np.concatenate([lengths[:, None], survivors.sum(2)], 1).astype(np.int64)
        return cls(alive, ~survivors[:, :, 0])

    @classmethod
    def unpruned(cls, lengths: np.ndarray, layers: int) -> SurvivorProfile:
        """The profile of a model that prunes nothing, for sequences of these lengths [N]."""
        alive = np.repeat(lengths[:, None], layers + 1, axis=1).astype(np.int64)
        return cls(alive, np.zeros((len(lengths), layers), bool))

    @classmethod
    def assumed(cls, policy: PrunePolicy, length: int) -> SurvivorProfile:
        """A profile of one sequence of `length` tokens, for where nothing was measured.

        Top-k layers keep what their rates say. Others lose tokens evenly down to a fifth, which
        halves the work, as the LTP paper reports.
        """
        alive, share = [length], 1.0
        for i, rule in enumerate(policy.layers):
            if rule.prunes and rule.mode is Mode.TOPK:
                share = min(share, rule.threshold)
            elif rule.prunes:
                share = min(share, max(0.2, 1 - 1.08 * (i + 1) / len(policy.layers)))
            alive.append(max(1, round(length * share)))
        return cls(np.array([alive]), np.zeros((1, len(policy.layers)), bool))

    def summary(self) -> SurvivorSummary:
        """The share of tokens alive after each layer, mean and deviation."""
        lengths, kept = self.alive[:, 0], self.shares()[:, 1:]
        deviation = kept.std(0, ddof=1) if len(kept) > 1 else np.zeros(kept.shape[1])
        return SurvivorSummary(
            sequences=len(lengths),
            tokens=float(lengths.mean()),
            kept=tuple(kept.mean(0).tolist()),
            deviation=tuple(deviation.tolist()),
        )

    def shares(self) -> np.ndarray:
        """[N, L+1] the share of each sequence's tokens that is alive before layer 0, then after
        each layer; nothing of a finished sequence is alive."""
        alive = np.concatenate(
            [self.alive[:, :1], np.where(self.finished, 0, self.alive[:, 1:])], 1
        )
        shares: np.ndarray = alive / self.alive[:, :1]
        return shares

    def share_percentiles(self) -> dict[str, list[float]]:
        """Of `shares` the percentiles "p10", "p50" and "p90" over sequences, L+1 numbers each."""
        shares = self.shares()
        return {f"p{p}": np.percentile(shares, p, axis=0).tolist() for p in (10, 50, 90)}

    def request(self, sequences: int) -> SurvivorProfile:
        """A typical request of so many sequences: picked evenly from all in the order of length."""
        order = np.argsort(self.alive[:, 0], kind="stable")
        places = (np.arange(sequences) + 0.5) * len(order) / sequences
        chosen = order[places.astype(int)]
        return SurvivorProfile(self.alive[chosen], self.finished[chosen])

    def attended(self, carries: tuple[Carry, ...]) -> np.ndarray:
        """The rows [N, L+1] that attention computes with, given each layer's carry: those that the
        engine holds, without the padding of buffers that keep their size."""
        moved = tuple(Carry.SURVIVORS if c is Carry.BOUNDED else c for c in carries)
        return self.carried(moved)

    def carried(self, carries: tuple[Carry, ...]) -> np.ndarray:
        """The rows [N, L+1] that an engine holds before each layer and after the last one, given
        each layer's carry."""
        rows = self.alive.copy()
        for layer, carry in enumerate(carries):
            if carry in (Carry.ALL, Carry.BOUNDED):
                rows[:, layer + 1] = rows[:, layer]
            elif carry is Carry.FIRST:
                rows[:, layer + 1] = 1
            else:
                rows[:, layer + 1] = np.where(self.finished[:, layer], 1, self.alive[:, layer + 1])
        return rows
