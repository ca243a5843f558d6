"""Buckets and graphs of torch-cuda sessions; a graph here is its computation, run again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ltp_deploy.backends.torch_cuda.graphs import TorchGraphs
from ltp_deploy.backends.torch_cuda.in_place import UNKNOWN
from ltp_deploy.backends.torch_cuda.session import TorchCudaSession
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import InputError
from ltp_deploy.runtime.engine import Engine, load
from tests.answers import batch_for


class Replayed:
    """Runs the computation again, where nothing it reads or writes has moved."""

    def __init__(self, compute: Callable[[], None]):
        self.compute = compute
        self.replays = 0
        self.session: TorchCudaSession = compute.func.__self__
        self.size = compute.args
        self.addresses = self.look()

    def look(self) -> list[int]:
        buffers, (part, *size) = self.session.buffers, self.size
        given = buffers.given(list(self.session.parts[part][1].inputs), part, *size)
        host = [buffers._host_request, *buffers._answers.values()]
        return [tensor.data_ptr() for tensor in (*given, *host)]

    def replay(self) -> None:
        assert self.look() == self.addresses
        self.replays += 1
        self.compute()


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[Replayed]:
    """All graphs that sessions opened from here on have captured, on the CPU."""
    graphs: list[Replayed] = []

    def capture(
        self: TorchGraphs, key: Hashable, compute: Callable[[], None]
    ) -> Callable[[], None]:
        graphs.append(Replayed(compute))
        return graphs[-1].replay

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    monkeypatch.setattr(TorchGraphs, "capture", capture)
    return graphs


@pytest.fixture
def graphed(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], captured: list[Replayed]
) -> Engine:
    """An engine of three parts that captures and replays them."""
    bundle = bundle_of(bert_checkpoint, "torch-cuda", compact="0,1", max_batch=8)
    engine = load(bundle, portable=True)
    engine.session.fills_batches = True
    engine.session.graphs = TorchGraphs(SimpleNamespace())
    return engine


def test_replays_answer_each_request_as_if_it_were_the_first(
    graphed: Engine, bert_checkpoint: Path, bundle_of: Callable[..., Path], captured: list[Replayed]
) -> None:
    plain = load(
        bundle_of(bert_checkpoint, "torch-cuda", compact="0,1", max_batch=8), portable=True
    )
    encoder = load_encoder(bert_checkpoint)
    for seed in (0, 1) * 4:
        for lengths in ((25, 5, 1, 18), (1,), (30, 30), (3, 4, 5)):
            batch = batch_for(encoder, lengths, seed)
            found, wanted = graphed.run(batch), plain.run(batch)
            np.testing.assert_array_equal(found.logits, wanted.logits)
            for mine, theirs in zip(found.survivors or [], wanted.survivors or [], strict=True):
                for a, b in zip(mine, theirs, strict=True):
                    np.testing.assert_array_equal(a, b)
    assert len(captured) >= 3
    assert sum(graph.replays for graph in captured) > 20


def test_requests_of_one_bucket_share_a_graph(graphed: Engine, captured: list[Replayed]) -> None:
    for length in (5, 6, 7, 8):
        graphed(input_ids=[list(range(5, 5 + length))])
    assert len(captured) == 3  # one for each part
    assert [graph.replays for graph in captured] == [2, 2, 2]


def test_a_part_runs_before_its_count_is_known(
    graphed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    compute = TorchCudaSession._compute

    def noted(self: TorchCudaSession, *size: int) -> None:
        counts.append(int(self.buffers._rows_left[0]))
        compute(self, *size)
        counts.append(int(self.buffers._rows_left[0]))

    monkeypatch.setattr(TorchCudaSession, "_compute", noted)
    graphed(input_ids=[list(range(5, 25))])
    before, after = counts[::2], counts[1::2]
    assert before == [UNKNOWN] * 3
    assert 20 >= after[0] >= after[1] > after[2] == UNKNOWN  # the last part leaves none


def test_threads_take_turns(graphed: Engine) -> None:
    requests = [[list(range(5, 5 + n))] for n in range(1, 25)]
    wanted = [graphed(input_ids=request).logits for request in requests]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda r: graphed(input_ids=r).logits, requests))
    np.testing.assert_array_equal(found, wanted)


def test_the_largest_request_fits_and_a_larger_one_is_refused(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    limits = {"max_batch": 3, "max_tokens": 64, "max_length": 30}
    engine = load(bundle_of(bert_checkpoint, "torch-cuda", **limits), portable=True)
    full = [[5] * 30, [6] * 30, [7] * 4]
    assert engine(input_ids=full).logits.shape == (3, 2)
    assert engine(input_ids=full[:2]).logits.shape == (2, 2)
    with pytest.raises(InputError, match="--max-tokens"):
        engine(input_ids=[[5] * 30, [6] * 30, [7] * 5])
