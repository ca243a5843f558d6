"""How long two engines take for the same request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

SECONDS = 0.3  # for all calls together, about
ROUNDS = (3, 15)  # at least, at most


def milliseconds(calls: Sequence[Callable[[], object]]) -> list[float]:
    """The median of each call, in turn, so that what disturbs the machine disturbs all.

    The first round is not counted: the first run of a shape pays for its preparation.
    """
    _round(calls)
    samples = [_round(calls)]
    fewest, most = ROUNDS
    rounds = min(most, max(fewest, int(SECONDS / sum(samples[0]))))
    samples += [_round(calls) for _ in range(rounds - 1)]
    return [1e3 * median(times) for times in zip(*samples, strict=True)]


def _round(calls: Sequence[Callable[[], object]]) -> list[float]:
    times = []
    for call in calls:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times
