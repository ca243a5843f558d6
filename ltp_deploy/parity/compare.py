"""Comparing an engine's answers with the oracle's: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ltp_deploy.data.metrics import spearman
from ltp_deploy.heads import Head
from ltp_deploy.parity.tolerances import F32_LOGITS


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
    """Absolute differences of logits, over all sequences and over those without a tie; `flips`
    counts the sequences whose answer changes, None where answers are values. `max_without_ties` is
    None where every sequence has a tie."""

    max: float
    mean: float
    max_without_ties: float | None
    flips: int | None


@dataclass(frozen=True)
class ValueComparison:
    """How far values are from the oracle's.

    Attributes:
        error: root of the mean squared difference, as a share of the standard deviation of the
            oracle's values; None where these do not differ by more than rounding.
        spearman: rank correlation of both, the mean of the groups' weighted by their numbers of
            texts. None where the oracle's values do not differ likewise in any.
    """

    error: float | None
    spearman: float | None


@dataclass(frozen=True)
class SurvivorComparison:
    """`differences` holds one entry per sequence that differs. `agreement` is the number of tokens
    that are alive in both the oracle and the engine, over that of those alive in either, over all
    layers."""

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
    """Compare which tokens are alive after each layer.

    Only the first differing layer of a sequence is classified, since the later ones follow from
    it. A sequence whose first token is pruned is finished: engines compute nothing else of it,
    so nothing is compared from there on.

    Args:
        oracle: [N, L, n] bool.
        engine: [N][L] arrays of positions.
        margins: [N, L, n] float, see `OracleOutput`.
        tie: the relative distance that counts as rounding.
    """
    differences = []
    in_both = in_either = 0
    for i in range(len(oracle)):
        differs = False
        for layer in range(oracle.shape[1]):
            mine = np.zeros(oracle.shape[2], bool)
            mine[engine[i][layer]] = True
            finished = not oracle[i, layer, 0]
            differing = oracle[i, layer] != mine
            if finished and not mine[0]:
                break
            in_both += int((oracle[i, layer] & mine).sum())
            in_either += int((oracle[i, layer] | mine).sum())
            if finished or not mine[0]:
                differing = np.zeros_like(differing)
                differing[0] = True
            if differing.any() and not differs:
                differs = True
                tokens = np.flatnonzero(differing)
                margin = float(np.abs(margins[i, layer, tokens]).max())
                differences.append(
                    Difference(i, layer, tuple(tokens.tolist()), margin, margin <= tie)
                )
            if finished or not mine[0]:
                break
    return SurvivorComparison(differences, in_both / in_either if in_either else 1.0)


def compare_values(oracle: np.ndarray, engine: np.ndarray, groups: np.ndarray) -> ValueComparison:
    """Compare one value of each sequence; both [N].

    Differences within `F32_LOGITS` are none: they are neither an error, nor scale, nor order.

    Args:
        groups: [N] numbers, the same for texts that are ranked with each other.
    """
    engine = np.where(np.abs(engine - oracle) <= F32_LOGITS, oracle, engine)
    deviation = float(oracle.std())
    error = float(np.sqrt(np.mean((oracle - engine) ** 2)))
    ours, theirs = (np.round(values / F32_LOGITS) for values in (engine, oracle))
    ranked = [rows for rows in (groups == g for g in np.unique(groups)) if np.ptp(theirs[rows])]
    weights = [rows.sum() for rows in ranked]
    orders = [spearman(ours[rows], theirs[rows]) for rows in ranked]
    return ValueComparison(
        error / deviation if deviation > F32_LOGITS else None,
        float(np.average(orders, weights=weights)) if ranked else None,
    )


def compare_logits(
    head: Head, oracle: np.ndarray, engine: np.ndarray, survivors: SurvivorComparison
) -> LogitComparison:
    """Compare logits [N, outputs]; `head` says which answers count as changed."""
    difference = np.abs(oracle - engine)
    certain = np.ones(len(oracle), bool)
    certain[[d.sequence for d in survivors.ties]] = False
    return LogitComparison(
        max=float(difference.max()),
        mean=float(difference.mean()),
        max_without_ties=float(difference[certain].max()) if certain.any() else None,
        flips=head.flips(oracle, engine),
    )
