"""When computations are captured and replayed, on a GPU that only records its calls."""

from __future__ import annotations

from collections import Counter
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from ltp_deploy.backends.torch_cuda.graphs import TorchGraphs


class FakeGraph:
    """A graph of a memory pool that ends with its last graph, as in PyTorch."""

    log: list[str]
    pools: Counter[int]
    ended: set[int]

    def capture_begin(self, pool: int, capture_error_mode: str) -> None:
        assert capture_error_mode == "thread_local"
        assert not torch.is_inference_mode_enabled()
        assert pool not in self.ended, "use_count > 0"
        self.pool = pool
        self.pools[pool] += 1
        self.log.append("begin")

    def __del__(self) -> None:
        if hasattr(self, "pool"):
            self.pools[self.pool] -= 1
            if not self.pools[self.pool]:
                self.ended.add(self.pool)

    def capture_end(self) -> None:
        self.log.append("end")

    def replay(self) -> None:
        self.log.append("replay")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    FakeGraph.log, FakeGraph.pools, FakeGraph.ended = [], Counter(), set()
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", count().__next__)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    return FakeGraph.log


@pytest.fixture
def graphs(log: list[str]) -> TorchGraphs:
    return TorchGraphs(SimpleNamespace(synchronize=lambda: log.append("sync")))


def test_a_computation_is_captured_after_its_second_run_and_then_replayed(
    graphs: TorchGraphs, log: list[str]
) -> None:
    with torch.inference_mode():
        for _ in range(4):
            graphs.run("key", lambda: log.append("compute"))
    assert log == ["compute", "compute", "sync", "begin", "compute", "end", "replay", "replay"]


def test_each_key_has_a_graph_of_its_own(graphs: TorchGraphs, log: list[str]) -> None:
    for _ in range(3):
        for key in ("a", "b"):
            graphs.run(key, lambda key=key: log.append(key))
    assert log.count("begin") == log.count("replay") == 2
    assert log.count("a") == log.count("b") == 3


def test_a_computation_that_cannot_be_captured_runs_uncaptured(
    graphs: TorchGraphs, log: list[str]
) -> None:
    def compute() -> None:
        if "begin" in log and "end" not in log:
            raise RuntimeError("operation not permitted when stream is capturing")
        log.append("compute")

    graphs.run("key", compute)
    with pytest.warns(UserWarning, match="not captured .* not permitted when stream is capturing"):
        graphs.run("key", compute)
    graphs.run("key", compute)
    # and it is not tried again
    assert log == ["compute", "compute", "sync", "begin", "end", "compute"]
    for _ in range(3):
        graphs.run("another key", lambda: None)
    assert log[-1] == "replay"


def test_an_interrupted_capture_is_ended(graphs: TorchGraphs, log: list[str]) -> None:
    def compute() -> None:
        if log:
            raise KeyboardInterrupt

    graphs.run("key", compute)
    with pytest.raises(KeyboardInterrupt):
        graphs.run("key", compute)
    assert log == ["sync", "begin", "end"]


def test_at_the_limit_all_graphs_are_dropped_at_once(
    graphs: TorchGraphs, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "_most", 2)
    for key in (1, 2, 3):
        for _ in range(3):
            graphs.run(key, lambda: None)
    assert list(graphs._captured) == [3]
    log.clear()
    for _ in range(3):
        graphs.run(1, lambda: None)
    assert log == ["sync", "begin", "end", "replay"]
