"""Whether live texts are pruned as those were on which a bundle's plan rests."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import copysign, inf, sqrt

import numpy as np

from ltp_deploy.model.survivors import SurvivorSummary


@dataclass(frozen=True)
class LayerDrift:
    """One layer's share of tokens that are alive after it, a mean over sequences.

    Attributes:
        live, profile: of what the engine has seen, and of the profile.
        difference: live minus profile.
        error: the standard error that this difference has if live sequences are of the same kind
            as the profile's: their deviation times sqrt(1 / N + 1 / n), for n sequences of N of the
            profile.
        z: the difference in such errors. Beyond 3 or below -3 it is hardly chance; whether it
            matters is a question of its size.
    """

    layer: int
    live: float
    profile: float
    difference: float
    error: float
    z: float


@dataclass(frozen=True)
class Drift:
    """Live counts against a bundle's profile.

    Attributes:
        sequences, tokens: how many sequences the engine has seen since it was loaded, and how many
            tokens they have on average.
        profile_sequences, profile_tokens: the same of the profile.
        layers: all whose pruning the engine decides; the last one's is not decided where it is
            computed for first tokens alone.
    """

    sequences: int
    tokens: float
    profile_sequences: int
    profile_tokens: float
    layers: tuple[LayerDrift, ...]


class LiveCounts:
    """Sums over all sequences that an engine has seen. Safe from several threads at once."""

    def __init__(self, layers: int):
        self._lock = threading.Lock()
        self._sequences = 0
        self._tokens = 0
        self._kept = np.zeros(layers)

    def add(self, lengths: np.ndarray, alive: np.ndarray) -> None:
        """Count sequences of these lengths [B] with so many tokens alive, [B, L]."""
        kept = (alive / lengths[:, None]).sum(0)
        with self._lock:
            self._sequences += len(lengths)
            self._tokens += int(lengths.sum())
            self._kept += kept

    @property
    def sequences(self) -> int:
        """How many were counted."""
        return self._sequences

    def against(self, profile: SurvivorSummary, layers: int) -> Drift:
        """Compare the first `layers` layers, after one sequence at least."""
        with self._lock:
            sequences, tokens, kept = self._sequences, self._tokens, self._kept.copy()
        return drift(profile, sequences, tokens, kept[:layers])


def drift(profile: SurvivorSummary, sequences: int, tokens: int, kept: np.ndarray) -> Drift:
    """Sums over sequences against a profile.

    Args:
        sequences, tokens: how many were seen, one sequence at least.
        kept: [L] the sum over sequences of the share of tokens that are alive after each layer.
    """
    spread = sqrt(1 / profile.sequences + 1 / sequences)
    found = []
    for layer, live in enumerate((kept / sequences).tolist()):
        error = profile.deviation[layer] * spread
        difference = live - profile.kept[layer]
        if abs(difference) < 1e-9:  # the rounding of sums
            difference = 0.0
        z = difference / error if error else copysign(inf, difference) if difference else 0.0
        found.append(LayerDrift(layer, live, profile.kept[layer], difference, error, z))
    return Drift(sequences, tokens / sequences, profile.sequences, profile.tokens, tuple(found))
