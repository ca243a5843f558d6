"""Comparing an engine's answers with the oracle's: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Relative distance between a token's score and the value that decides its fate, below which the
# two sides' rounding may decide differently.
TIE = {"f32": 1e-4, "fp16": 1e-2, "bf16": 5e-2, "int8-dynamic": 0.2, "int8": 0.3}


@dataclass(frozen=True)
class Difference:
    """The first layer at which one sequence's survivors differ, and the closest call there.

    `margin` is the largest relative distance from the deciding value among the tokens that
    differ; `tie` says that it lies within rounding.
    """

    sequence: int
    layer: int
    tokens: tuple[int, ...]
    margin: float
    tie: bool


@dataclass(frozen=True)
class LogitComparison:
    """Absolute differences of logits, over all sequences and over those with no tie behind them."""

    max: float
    mean: float
    max_without_ties: float
    flips: int


@dataclass(frozen=True)
class SurvivorComparison:
    """`differences` holds one entry per sequence that differs. `agreement` is the number of tokens
    that are alive on both sides over that of those alive on either, over all layers."""

    differences: list[Difference] = field(default_factory=list)
    agreement: float = 1.0

    @property
    def ties(self) -> list[Difference]:
        return [d for d in self.differences if d.tie]

    @property
    def disagreements(self) -> list[Difference]:
        return [d for d in self.differences if not d.tie]


def compare_survivors(
    oracle: np.ndarray, engine: Sequence[Sequence[np.ndarray]], margins: np.ndarray, tie: float
) -> SurvivorComparison:
    """Compare who is alive after each layer.

    Only the first differing layer of a sequence is classified, since the later ones follow from
    it. A sequence whose first token is dead is decided, and engines compute nothing else of it,
    so nothing is compared from there on.

    Args:
        oracle: [N, L, n] bool.
        engine: [N][L] arrays of positions.
        margins: [N, L, n] float, see `OracleOutput`.
        tie: the relative distance that counts as rounding.
    """
    differences = []
    on_both = on_either = 0
    for i in range(len(oracle)):
        differs = False
        for layer in range(oracle.shape[1]):
            mine = np.zeros(oracle.shape[2], bool)
            mine[engine[i][layer]] = True
            decided = not oracle[i, layer, 0]
            differing = oracle[i, layer] != mine
            if decided and not mine[0]:
                break
            on_both += int((oracle[i, layer] & mine).sum())
            on_either += int((oracle[i, layer] | mine).sum())
            if decided or not mine[0]:
                differing = np.zeros_like(differing)
                differing[0] = True
            if differing.any() and not differs:
                differs = True
                tokens = np.flatnonzero(differing)
                margin = float(np.abs(margins[i, layer, tokens]).max())
                differences.append(
                    Difference(i, layer, tuple(tokens.tolist()), margin, margin <= tie)
                )
            if decided or not mine[0]:
                break
    return SurvivorComparison(differences, on_both / on_either if on_either else 1.0)


def compare_logits(
    oracle: np.ndarray, engine: np.ndarray, survivors: SurvivorComparison
) -> LogitComparison:
    """Compare logits [N, labels]."""
    difference = np.abs(oracle - engine)
    certain = np.ones(len(oracle), bool)
    certain[[d.sequence for d in survivors.ties]] = False
    return LogitComparison(
        max=float(difference.max()),
        mean=float(difference.mean()),
        max_without_ties=float(difference[certain].max(initial=0.0)),
        flips=int((predictions(oracle) != predictions(engine)).sum()),
    )


def predictions(logits: np.ndarray) -> np.ndarray:
    """[N] predicted classes; a regression has one output, and nothing to flip."""
    return logits.argmax(1)
