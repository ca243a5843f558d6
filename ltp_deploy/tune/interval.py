"""How far the drop between two models' scores on the same texts may be from the measured one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ltp_deploy.data.metrics import Mean, accuracy, subset_accuracy
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head

SHARES = (accuracy, subset_accuracy)  # metrics that count texts
NORMAL_95 = 1.96  # standard deviations to either side of a normal distribution that hold 95 %
RESAMPLES, AT_ONCE = 1000, 10


def points_lost(
    head: Head, targets: np.ndarray, dense: np.ndarray, pruned: np.ndarray, metric: str | None
) -> float:
    """Points of the metric by which the second model is worse; arguments as `drop_interval`."""
    scores = [head.score(logits, targets, metric)[1] for logits in (dense, pruned)]
    return scores[0] - scores[1]


def standard_error(
    head: Head, targets: np.ndarray, dense: np.ndarray, pruned: np.ndarray, metric: str | None
) -> float:
    """The standard error of the drop, in points of the metric; arguments as `drop_interval`."""
    low, high = drop_interval(head, targets, dense, pruned, metric)
    return (high - low) / (2 * NORMAL_95)


def drop_interval(
    head: Head, targets: np.ndarray, dense: np.ndarray, pruned: np.ndarray, metric: str | None
) -> tuple[float, float]:
    """A 95 % interval of the drop, in points of the metric, over texts drawn like these.

    For metrics that count texts it is the adjusted Wald interval for paired proportions of
    Bonett and Price (2012, doi 10.3102/1076998611411915), which is not empty where no answer
    changed. For others it is the percentile interval of a bootstrap over texts, or over the units
    of a `Mean`. Where few answers changed that is next to empty, so it never ends nearer to the
    drop than the former does where none changed, for as many texts or units; this is not for
    scores of values, which always change.

    Args:
        head: what the answers are.
        targets: of N texts, as `Head.targets` gives them.
        dense, pruned: [N, labels] the logits of the two models.
        metric: as `Head.score` takes it.
    """
    name = metric or head.usual_metric(targets)
    if head.metrics[name] in SHARES:
        right = [_right(head.predictions(logits), targets) for logits in (dense, pruned)]
        return _bonett_price(*right)
    if isinstance(mean := head.metrics[name], Mean):
        each = [mean.each(head.predictions(logits), targets) for logits in (dense, pruned)]
        return _of_units(100 * (each[0] - each[1]))
    low, high = _bootstrap(head, targets, dense, pruned, name)
    if head.gives_values:
        return low, high
    middle = points_lost(head, targets, dense, pruned, name)
    return _not_narrow(low, middle, high, len(targets))


def _not_narrow(low: float, middle: float, high: float, count: int) -> tuple[float, float]:
    """An interval around a drop that is as wide at least as if none of so many answers changed."""
    unchanged = np.ones(count, bool)
    _, least = _bonett_price(unchanged, unchanged)
    return min(low, middle - least), max(high, middle + least)


def _right(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[N] bool, the texts that are answered as the targets say."""
    right: np.ndarray = (found == targets).reshape(len(targets), -1).all(1)
    return right


def _bonett_price(dense: np.ndarray, pruned: np.ndarray) -> tuple[float, float]:
    n = len(dense) + 2
    lost = (np.sum(dense & ~pruned) + 1) / n
    won = (np.sum(~dense & pruned) + 1) / n
    middle = float(lost - won)
    half = NORMAL_95 * math.sqrt((lost + won - middle**2) / n)
    return 100 * (middle - half), 100 * (middle + half)


def _bootstrap(
    head: Head, targets: np.ndarray, dense: np.ndarray, pruned: np.ndarray, metric: str
) -> tuple[float, float]:
    random = np.random.default_rng(0)
    drops = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(targets), len(targets))
        if head.defined(metric, targets[rows]):
            drops.append(points_lost(head, targets[rows], dense[rows], pruned[rows], metric))
    if not drops:
        raise LtpError(f"{metric} is undefined on too few texts: {len(targets)}")
    return _middle_95(drops)


def _of_units(lost: np.ndarray) -> tuple[float, float]:
    """The interval of the mean of the points [units] that are lost."""
    random, shape = np.random.default_rng(0), (AT_ONCE, len(lost))
    draws = (random.integers(0, len(lost), shape) for _ in range(0, RESAMPLES, AT_ONCE))
    low, high = _middle_95(np.concatenate([lost[units].mean(1) for units in draws]))
    if lost.all():
        return low, high
    return _not_narrow(low, float(lost.mean()), high, len(lost))


def _middle_95(drops: Sequence[float] | np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(drops, [2.5, 97.5])
    return float(low), float(high)
