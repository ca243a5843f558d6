"""Timing several runners in turn, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltp_deploy.progress import track

Call = Callable[[], object]


@dataclass(frozen=True)
class Timings:
    """Seconds that one runner took: one list of repetitions per distinct request."""

    samples: list[list[float]]

    def percentile(self, q: float) -> float:
        """Percentile 0..100 of the latency over all repetitions of all requests, in seconds."""
        return float(np.percentile(np.concatenate(self.samples), q))

    @property
    def total(self) -> float:
        """Seconds for every request once; a request's time is the median of its repetitions."""
        return float(sum(np.median(repetitions) for repetitions in self.samples))


def interleave(
    runners: Mapping[str, Sequence[Call]],
    seconds: float = 10.0,
    iterations: int | None = None,
    settle: float = 0.0,
    title: str = "timing",
) -> dict[str, Timings]:
    """Time every runner on every request, runner after runner, request after request.

    Args:
        runners: for each one call per request; all have the same requests. Every call must
            have run once before: the first run of a shape pays for its preparation.
        seconds: go on until so much time has passed, but at least once through all requests.
        iterations: run each request so many times instead.
        settle: seconds of rest after each call, for runtimes whose threads go on spinning.
        title: shown with the progress, between two requests.
    """
    count = len(next(iter(runners.values())))
    samples: dict[str, list[list[float]]] = {name: [[] for _ in range(count)] for name in runners}
    names = list(runners)
    plan = _schedule(count, seconds, iterations)
    total = None if iterations is None else iterations * count
    for turn, request in enumerate(track(plan, title, "request", total)):
        start = turn % len(names)  # so that none always runs after the same other
        for name in names[start:] + names[:start]:
            begin = time.perf_counter()
            runners[name][request]()
            samples[name][request].append(time.perf_counter() - begin)
            if settle:
                time.sleep(settle)
    return {name: Timings(values) for name, values in samples.items()}


def _schedule(count: int, seconds: float, iterations: int | None) -> Iterator[int]:
    if iterations is not None:
        yield from (i for _ in range(iterations) for i in range(count))
        return
    yield from range(count)
    end = time.perf_counter() + seconds
    while True:
        for i in range(count):
            if time.perf_counter() >= end:
                return
            yield i
