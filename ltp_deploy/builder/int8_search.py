"""Which layers stay out of int8, so that accuracy does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ltp_deploy.builder.judge import Judge, Variant


def fewest_layers(
    judge: Judge, precision: str, budget: float, may_be_all: bool = True
) -> Variant | None:
    """Keep as few layers out of int8 as the budget allows, those that disturb the answers most.

    The layers are ordered by the error that each makes alone, and how many of them stay out is
    found by bisection. That all layers in int8 lose too much is known already.

    Args:
        precision: a kind of int8.
        budget: points of the score that may be lost.
        may_be_all: whether an engine with no layer in int8 is an answer.

    Returns:
        None where every number of layers is too few.
    """
    worst_first: list[int] = np.argsort(judge.layer_errors(precision))[::-1].tolist()
    if not may_be_all:
        worst_first.pop()

    def loses_little(kept_out: tuple[int, ...]) -> bool:
        return judge.drop(Variant(precision, kept_out)) <= budget

    kept_out = _fewest(worst_first, loses_little)
    return None if kept_out is None else Variant(precision, kept_out)


def _fewest(
    worst_first: list[int], enough_without: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...] | None:
    """The fewest of these layers, from the front and at least one, without which it is enough; None
    where it is not enough without all of them."""
    too_few, enough, chosen = 0, len(worst_first) + 1, None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        kept_out = tuple(sorted(worst_first[:middle]))
        if enough_without(kept_out):
            enough, chosen = middle, kept_out
        else:
            too_few = middle
    return chosen
