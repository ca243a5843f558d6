"""What lies between kernels: the gap from one to the next that depends on it, and a host sync."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from gpu_run import Budget, Row
from gpu_timing import Recorded, device_seconds, wait

from ltp_deploy.backends.torch_cuda.in_place import UNKNOWN, host_sync

HELD = 20_000_000  # cycles that a stream is held up for, until the kernels after it are queued
REPEATS = 20


def time_gaps(device: str, kernels: int, budget: Budget) -> list[Row]:
    """Times in microseconds of chains of so many kernels, each of which needs the one before.

    - A small kernel's time from the beginning of one to that of the next, in a graph and in a
      stream that is never empty.
    - Of that the gap: what a kernel takes besides its work, from kernels that spin for a known
      number of cycles, of which two numbers make a line.
    - What the host takes for a launch in a stream.
    - A host sync: two graphs, of which the second is launched once the host knows a number that the
      first one writes, less the same two without it. Polled, as engines do, and by waiting for the
      stream.
    """
    x = torch.zeros(1, device=device)

    def small() -> None:
        x.add_(1)

    measurements: dict[str, Callable[[], float]] = {
        "small kernel, in a graph": lambda: _in_graph(small, kernels, device),
        "small kernel, in a stream": lambda: _in_stream(small, kernels, device),
        "gap, in a graph": lambda: _gap(_in_graph, kernels, device),
        "gap, in a stream": lambda: _gap(_in_stream, kernels, device),
        "launch by the host, in a stream": lambda: _launch(small, kernels, device),
        "host sync, polled": lambda: _host_sync(kernels, device, _poll),
        "host sync, waiting for the stream": lambda: _host_sync(kernels, device, _wait),
    }
    return [
        {"what": name, "microseconds": 1e6 * measure()}
        for name, measure in measurements.items()
        if budget.allows(name)
    ]


def _in_graph(kernel: Callable[[], object], kernels: int, device: str) -> float:
    return Recorded([kernel] * kernels, device).seconds(REPEATS)


def _in_stream(kernel: Callable[[], object], kernels: int, device: str) -> float:
    """The stream is held up meanwhile, or the GPU would wait for the host."""

    def chain() -> None:
        for _ in range(kernels):
            kernel()

    times = []
    for _ in range(REPEATS):
        if device == "cuda":
            torch.cuda._sleep(HELD)
        times.append(device_seconds(chain, device) / kernels)
        wait(device)
    return median(times)


def _gap(
    seconds: Callable[[Callable[[], object], int, str], float], kernels: int, device: str
) -> float:
    """Where the line through the times of two kernels, of few and of many cycles, meets zero."""
    few, many = 2_000, 20_000
    short, long = (seconds(lambda n=n: _spin(n, device), kernels, device) for n in (few, many))
    return short - few * (long - short) / (many - few)


def _spin(cycles: int, device: str) -> None:
    """A kernel that takes so many cycles; on the CPU one whose work grows with them."""
    if device == "cuda":
        torch.cuda._sleep(cycles)
    else:
        torch.zeros(cycles).sum()


def _launch(kernel: Callable[[], object], kernels: int, device: str) -> float:
    times = []
    for _ in range(REPEATS):
        wait(device)
        begin = time.perf_counter()
        for _ in range(kernels):
            kernel()
        times.append((time.perf_counter() - begin) / kernels)
    wait(device)
    return median(times)


def _host_sync(kernels: int, device: str, until_known: Callable[[torch.Tensor], object]) -> float:
    x = torch.zeros(1, device=device, dtype=torch.int32)
    count = torch.zeros(1, dtype=torch.int32, pin_memory=device == "cuda")
    work = [lambda: x.add_(1)] * kernels
    graph = Recorded([*work, lambda: count.copy_(x, non_blocking=True)], device)

    def seconds(syncs: bool) -> float:
        wait(device)
        count[0] = UNKNOWN
        begin = time.perf_counter()
        graph.run()
        if syncs:
            until_known(count)
        graph.run()
        wait(device)
        return time.perf_counter() - begin

    pairs = [(seconds(True), seconds(False)) for _ in range(REPEATS)]
    return median(p[0] for p in pairs) - median(p[1] for p in pairs)


def _poll(count: torch.Tensor) -> None:
    host_sync(count.numpy(), torch.cuda.current_stream() if count.is_pinned() else None)


def _wait(count: torch.Tensor) -> int:
    if count.is_pinned():
        torch.cuda.current_stream().synchronize()
    return int(count)
