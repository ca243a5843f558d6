"""What `make gpu-check` makes of times, on a GPU whose times are set by hand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ltp_deploy.backends.torch_cuda import measure
from ltp_deploy.compiler.cost import GpuCost

GPU = GpuCost("a GPU", flops=1e12, bandwidth=1e11, attention=1e12, launch=1e-6, sync=0)


MILLISECONDS = 6.0  # of every replay


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """torch.cuda with graphs that count; what happened, in order."""
    happened: list[str] = []

    class Graph:
        def replay(self) -> None:
            happened.append("replay")

    @contextmanager
    def graph(recorded: Graph) -> Any:
        happened.append("record")
        yield
        happened.append("recorded")

    class Event:
        def __init__(self, enable_timing: bool):
            assert enable_timing

        def record(self) -> None: ...
        def synchronize(self) -> None: ...
        def elapsed_time(self, end: Event) -> float:
            return MILLISECONDS

    for name, value in {"CUDAGraph": Graph, "graph": graph, "Event": Event}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: happened.append("wait"))
    return happened


def test_calls_run_once_then_are_recorded_and_replayed(cuda: list[str]) -> None:
    from gpu_timing import AT_ONCE, REPEATS, Pace, Recorded

    recorded = Recorded([lambda: cuda.append("a"), lambda: cuda.append("b")], "cuda")
    assert cuda == ["a", "b", "record", "a", "b", "recorded"]
    timed = recorded.timed(AT_ONCE)
    assert timed.cold == timed.sustained == pytest.approx(MILLISECONDS / 1e3 / 2)
    assert "wait" in cuda
    del cuda[6:]
    timed = recorded.timed(Pace(rest=0, wake=0, load=0.05))
    assert timed.end - timed.begin >= 0.05
    assert set(cuda[6:]) == {"replay", "wait"}
    loaded = cuda[6 + REPEATS + 2 : -REPEATS]  # but for what is timed, and the first replay
    assert "replay replay replay" not in " ".join(loaded)  # none is far ahead of the GPU


def always(seconds: float) -> Callable[..., Any]:
    """A `Recorded.timed` that says that every call takes so long, sustained twice so."""
    from gpu_timing import Timed

    return lambda self, pace: Timed(seconds, 2 * seconds, 0, 1)


def test_products_are_compared_with_the_cost_model(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_products
    from gpu_run import Budget
    from gpu_timing import AT_ONCE

    monkeypatch.setattr(gpu_products.Recorded, "timed", always(1e-4))
    plan = gpu_products.Sweep(((96, 32), (32, 64)), (16, 80), AT_ONCE)
    rows = gpu_products.sweep("cpu", plan, GPU, Budget())
    assert [(r["rows"], r["columns"], r["depth"]) for r in rows] == [
        *((16, 96, 32), (80, 96, 32), (16, 32, 64), (80, 32, 64))
    ]
    first = rows[0]
    moved = 2 * (16 * 32 + 32 * 96 + 16 * 96)
    assert first["cold_us"] == pytest.approx(100)
    assert first["sustained_us"] == pytest.approx(200)
    assert first["cold_tflops"] == pytest.approx(2 * 16 * 96 * 32 / 1e-4 / 1e12)
    assert first["cold_gb_per_s"] == pytest.approx(moved / 1e-4 / 1e9)
    assert first["sustained_gb_per_s"] == pytest.approx(moved / 2e-4 / 1e9)
    assert first["floor_us"] == pytest.approx(1 + moved / 1e11 * 1e6)
    assert first["model_us"] == pytest.approx(1 + moved / 1e11 * 1e6)
    assert first["model_error"] == pytest.approx(first["model_us"] / 100 - 1)
    assert rows[1]["model_us"] == pytest.approx(1 + 2 * 80 * 96 * 32 / 1e12 * 1e6)
    assert rows[1]["floor_us"] < rows[1]["model_us"]


def test_the_weights_of_a_graph_are_more_than_a_cache_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import gpu_products

    cache = 50 << 20
    properties = SimpleNamespace(L2_cache_size=cache)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda: properties)
    real = torch.randn
    monkeypatch.setattr(torch, "randn", lambda n, *size, **how: real(n, 1, 1))
    weights = gpu_products._weights("cuda", 768, 768)
    assert len(weights) * 768 * 768 * 2 >= 4 * cache
    properties.L2_cache_size = 1
    assert len(gpu_products._weights("cuda", 768, 768)) == gpu_products.LEAST_CALLS


def test_attention_is_compared_with_its_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_attention
    from gpu_run import Budget
    from gpu_sensors import Sensors
    from gpu_speed import goals
    from gpu_timing import AT_ONCE

    monkeypatch.setattr(gpu_attention.Recorded, "__init__", lambda self, calls, device: None)
    monkeypatch.setattr(gpu_attention.Recorded, "timed", always(1e-3))
    shapes = gpu_attention.Shapes(((32, 384),), 12, 64, AT_ONCE)
    sensors = Sensors()
    sensors.missing = "clocks and power: no such program"
    rows = gpu_attention.time_attention("cpu", shapes, measure.H200, sensors, Budget())
    scored, moved, plain, first, pytorch, no_sensors, no_carveout = rows
    assert plain["floor_compute"] == pytest.approx(4 * 32 * 384**2 * 768 / 660e12 * 1e6)
    assert scored["floor_compute"] == pytest.approx(1.5 * plain["floor_compute"])
    assert plain["floor_memory"] == pytest.approx(2 * 768 * 4 * 32 * 384 / 4e12 * 1e6)
    assert first["times_floor"] == pytest.approx(1e3 / first["floor_memory"])
    assert pytorch["cold_us"] == pytest.approx(1e3)
    assert pytorch["sustained_us"] == pytest.approx(2e3)
    assert no_sensors == {"skipped": "clocks and power: no such program"}
    assert "carve-out" in no_carveout["skipped"]
    (goal,) = goals([], rows)
    assert goal["found"] == moved["times_floor"]
    assert not goal["met"]


def test_the_carveout_is_set_for_attention_alone_and_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import gpu_attention

    from ltp_deploy.cuda import kernels

    percent = {name: 100 if name.startswith("ltp_attend") else -1 for name in kernels.KERNELS}
    before = dict(percent)

    def put(function: str, attribute: str, value: int) -> tuple[int]:
        assert attribute == "carve-out"
        percent[function] = value
        return (0,)

    driver = SimpleNamespace(
        CUfunction_attribute=SimpleNamespace(
            CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT="carve-out"
        ),
        cuFuncGetAttribute=lambda attribute, function: (0, percent[function]),
        cuFuncSetAttribute=put,
    )
    queue = SimpleNamespace(kernels=Path("k"), device=0)
    monkeypatch.setattr(gpu_attention, "driver", lambda: driver)
    monkeypatch.setattr(gpu_attention, "queue_of", lambda tensor: queue)
    monkeypatch.setattr(kernels, "_function", lambda path, name, device: name)

    def measured() -> None:
        with gpu_attention.carveout_of(torch.zeros(1), 50):
            assert percent == {n: 50 if n.startswith("ltp_attend") else -1 for n in before}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        measured()
    assert percent == before


def test_a_gap_is_what_a_kernel_takes_besides_its_work() -> None:
    from gpu_gaps import _gap

    cycles: list[int] = []

    def seconds(kernel: Callable[[], object], kernels: int, device: str) -> float:
        cell = kernel.__defaults__[0]  # type: ignore[attr-defined]
        cycles.append(cell)
        return 1.5e-6 + cell / 1.6e9

    assert _gap(seconds, 100, "cpu") == pytest.approx(1.5e-6)
    assert len(set(cycles)) == 2


def test_gaps_and_host_syncs_have_times_on_the_cpu_too() -> None:
    from gpu_gaps import time_gaps
    from gpu_run import Budget

    rows = time_gaps("cpu", 3, Budget())
    assert len(rows) == 7
    assert all(math.isfinite(row["microseconds"]) for row in rows)
    assert all(row["microseconds"] > 0 for row in rows if "kernel" in row["what"])
    over = Budget(time.monotonic() - 1)
    assert time_gaps("cpu", 3, over) == []
    assert len(over.left_out) == 7
