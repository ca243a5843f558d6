"""Seconds of kernels, replayed in a CUDA graph, after a pause and under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

REPEATS = 7
BATCH = 0.01  # seconds of replays that are queued before the host waits for them


@dataclass(frozen=True)
class Pace:
    """Seconds of rest before a cold measurement, of work that ends the rest (an idle GPU lowers its
    clocks), and of load before a sustained one."""

    rest: float = 0.3
    wake: float = 0.02
    load: float = 1.0

    @property
    def seconds(self) -> float:
        """The least that a measurement takes."""
        return self.rest + self.wake + self.load


AT_ONCE = Pace(0, 0, 0)  # for rehearsals


@dataclass(frozen=True)
class Timed:
    """Median seconds of one call after a rest and after a load, and when the load began and ended,
    by `time.monotonic`."""

    cold: float
    sustained: float
    begin: float
    end: float


class Recorded:
    """Calls that run one after another on the current stream: recorded in a CUDA graph, on the CPU
    as they are.

    Args:
        calls: each queues kernels, without a host sync. All run once before.
        device: "cuda" or "cpu".
    """

    def __init__(self, calls: Sequence[Callable[[], object]], device: str):
        self._calls, self._device = calls, device
        self._graph: Any = None
        self._call_all()
        if device == "cuda":
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._call_all()

    def run(self) -> None:
        """Queue all calls."""
        if self._graph:
            self._graph.replay()
        else:
            self._call_all()

    def seconds(self, repeats: int = REPEATS) -> float:
        """Median seconds of one call, over so many runs of all."""
        times = [device_seconds(self.run, self._device) for _ in range(repeats)]
        return median(times) / len(self._calls)

    def load(self, seconds: float) -> None:
        """Keep the device busy for so long."""
        once = self.seconds(1) * len(self._calls) if seconds else 0.0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(max(1, min(1000, int(BATCH / once)))):
                self.run()
            wait(self._device)  # or as much is queued as the driver takes, for minutes
            wait(self._device)

    def timed(self, pace: Pace) -> Timed:
        """Its seconds after a rest, and after a load of its own."""
        wait(self._device)
        time.sleep(pace.rest)
        self.load(pace.wake)
        cold = self.seconds()
        begin = time.monotonic()
        self.load(pace.load)
        end = time.monotonic()
        return Timed(cold, self.seconds(), begin, end)

    def _call_all(self) -> None:
        for call in self._calls:
            call()


def device_seconds(queue: Callable[[], object], device: str) -> float:
    """Seconds from where the device begins with what `queue` queues to where it is done."""
    if device == "cpu":
        begun = time.perf_counter()
        queue()
        return time.perf_counter() - begun
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    queue()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def wait(device: str) -> None:
    """Until the device has nothing left to do."""
    if device == "cuda":
        torch.cuda.synchronize()
