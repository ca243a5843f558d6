"""Measuring the cost model's constants, on a GPU whose clock is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from ltp_deploy.backends.torch_cuda import in_place, measure
from ltp_deploy.errors import LtpError

MILLISECONDS = 2.0  # of every replay


class Clock:
    """An event; two of them are always as far apart."""

    def __init__(self, enable_timing: bool):
        assert enable_timing

    def record(self) -> None: ...
    def synchronize(self) -> None: ...
    def elapsed_time(self, end: Clock) -> float:
        return MILLISECONDS


class Graph:
    replay = staticmethod(lambda: None)


@contextmanager
def captured(graph: Graph) -> Iterator[None]:
    yield


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What counts held at each host sync."""
    counts: list[int] = []
    monkeypatch.setattr(in_place, "host_sync", lambda count, stream: counts.append(int(count[0])))
    properties = SimpleNamespace(name="a GPU")
    for name, value in {
        "CUDAGraph": Graph,
        "graph": captured,
        "Event": Clock,
        "synchronize": lambda: None,
        "get_device_properties": lambda: properties,
        "current_stream": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    sizes = {"MATRIX_ROWS": 32, "COPIED_ROWS": 64, "SEQUENCES": 2, "LENGTH": 5}
    for name, value in {"DEVICE": "cpu", **sizes}.items():
        monkeypatch.setattr(measure, name, value)
    return counts


def test_measured_rates_are_work_over_time(gpu: list[int]) -> None:
    found = measure.measured()
    seconds = MILLISECONDS / 1e3 / measure.CALLS
    assert (found.name, found.tensorrt) == ("a GPU", False)
    assert found.flops == pytest.approx(2 * 32**3 / seconds)
    assert found.bandwidth == pytest.approx(2 * 2 * 64**2 / seconds)
    assert found.attention == pytest.approx(6 * 2 * 5**2 * 12 * 64 / seconds)
    assert found.launch == pytest.approx(seconds / measure.LAUNCHES)
    assert 0 <= found.sync < 1
    assert gpu == [in_place.UNKNOWN] * measure.REPEATS


@pytest.mark.usefixtures("gpu")
def test_without_kernels_attention_is_assumed_and_the_rest_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> float:
        raise LtpError("there are no compiled CUDA kernels")

    monkeypatch.setattr(measure, "_attention_rate", missing)
    assert measure.measured().attention == measure.H200.attention


def test_without_a_gpu_all_constants_are_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    measure.local_gpu.cache_clear()
    assert measure.local_gpu() is measure.H200
    measure.local_gpu.cache_clear()
