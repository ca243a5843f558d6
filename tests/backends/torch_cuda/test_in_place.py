"""Segments that write their state where the next one reads it.

The operators with given outputs, by the reference and by the kernels in emulation, and the pass
that puts them into a segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ltp_deploy.backends.torch_cuda import in_place
from ltp_deploy.backends.torch_cuda.in_place import NEXT, write_in_place
from ltp_deploy.backends.torch_cuda.residual_norm import use_residual_norm
from ltp_deploy.backends.torch_cuda.segments import STATE, Segment, cut
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.model.problems import Problem, random_problem, tiny_encoder

ATTEND = torch.ops.ltp.pruned_attention_into
RULE = {"mode": "topk", "threshold": 0.6, "carry": "bounded"}


def buffers(problem: Problem) -> list[torch.Tensor]:
    """Tensors for the results of a problem, full of values that no result has."""
    rows, hidden = len(problem.alive), problem.qkv.shape[1] // 3
    sizes = (rows, len(problem.offsets), rows, 1)
    numbers = [torch.full((size,), -7, dtype=torch.int32) for size in sizes]
    return [torch.full((rows, hidden), torch.nan, dtype=torch.float16), *numbers]


def check(problem: Problem) -> None:
    made = buffers(problem)
    ATTEND(*problem.arguments[:-1], *made)
    wanted = problem.solve()
    for found, expected in zip(made, wanted, strict=False):
        assert torch.equal(found, expected)
    assert made[-1].tolist() == [wanted[2][-1]]


LENGTHS = ([9, 0, 1, 30, 70], [1], [0, 0])


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_attention_by_the_reference_writes_to_given_tensors(lengths: list[int]) -> None:
    problem = random_problem(lengths, **RULE)
    check(replace(problem, qkv=problem.qkv.half()))


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_attention_by_the_kernels_writes_to_given_tensors(
    lengths: list[int], emulated_gpu: list[str]
) -> None:
    problem = random_problem(lengths, **RULE)
    check(replace(problem, qkv=problem.qkv.half()))
    assert [name for name in emulated_gpu if name == "ltp_compact"] == ["ltp_compact"] * 2


def test_residual_norm_writes_to_a_given_tensor(emulated_gpu: list[str]) -> None:
    x, residual, out = torch.randn(5, 8).half(), torch.randn(9, 8).half(), torch.empty(5, 8).half()
    kept = torch.tensor([8, 0, 3, 3, 1], dtype=torch.int32)
    given = (x, residual, kept, torch.randn(8).half(), torch.randn(8).half(), 1e-5)
    torch.ops.ltp.residual_norm_into(*given, out)
    assert emulated_gpu == ["ltp_residual_norm"]
    assert torch.equal(out, torch.ops.ltp.residual_norm(*given))
    with pytest.raises(LtpError, match=r"out is torch\.float16 \(4, 8\)"):
        torch.ops.ltp.residual_norm_into(*given, out[:4])


def test_a_count_that_a_gpu_cannot_write_is_refused(emulated_gpu: list[str]) -> None:
    problem = random_problem([3], **RULE)
    *made, _ = buffers(problem)
    elsewhere = torch.zeros(1, dtype=torch.int32, device="meta")
    with pytest.raises(LtpError, match="not pinned"):
        in_place.attend_on_cuda(*problem.arguments[:-1], *made, elsewhere)
    assert not emulated_gpu


@pytest.mark.parametrize("finished", [True, False])
def test_a_host_sync_ends_as_soon_as_the_count_is_written(finished: bool) -> None:
    """It is written while the stream works, or at the latest when its work is finished."""
    count, queries = np.array([in_place.UNKNOWN], np.int32), []

    def query() -> bool:
        queries.append(len(queries))
        if len(queries) == 3:
            count[0] = 41
            return finished
        return False

    assert in_place.host_sync(count, SimpleNamespace(query=query)) == 41
    assert len(queries) == 3


def test_a_host_sync_that_nothing_ends_is_an_error() -> None:
    """Which happens with compiled kernels of another version."""
    with pytest.raises(LtpError, match="of another version"):
        in_place.host_sync(np.array([in_place.UNKNOWN]), SimpleNamespace(query=lambda: True))


@pytest.mark.parametrize(
    ("position", "change", "message"),
    [
        (0, lambda x: x.float(), r"context is torch\.float32"),
        (0, lambda x: x[:-1], "context has 2 rows; 3 may be carried"),
        (1, lambda x: x.long(), r"kept is torch\.int64"),
        (3, lambda x: x[1:], "alive_out has 2 rows"),
    ],
)
def test_tensors_that_cannot_hold_the_results_are_refused(
    position: int, change: Callable, message: str, emulated_gpu: list[str]
) -> None:
    problem = random_problem([3], **RULE)
    made = buffers(problem)
    made[position] = change(made[position])
    with pytest.raises(LtpError, match=message):
        ATTEND(*replace(problem, qkv=problem.qkv.half()).arguments[:-1], *made)
    assert not emulated_gpu


def test_a_host_sync_ends_when_the_gpu_fails() -> None:
    def query() -> bool:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal memory access"):
        in_place.host_sync(np.array([in_place.UNKNOWN]), SimpleNamespace(query=query))


@pytest.mark.parametrize("fused", [True, False])
def test_segments_in_place_write_what_they_returned(fused: bool) -> None:
    """With a LayerNorm that the kernel does not take, the residual is copied."""
    policy = PrunePolicy((LayerRule(Mode.TOPK, 0.7), LayerRule(Mode.NONE, 0.0)) * 2, 0, True)
    encoder = tiny_encoder(policy)
    plan = make_plan(PlanRequest(encoder.config, "fp16"))
    values = example_inputs(lower(encoder, plan), encoder.config)

    def segments() -> list[Segment]:
        return cut(lower(encoder, plan), plan)

    for returns, writes in zip(segments(), segments(), strict=True):
        for segment in (returns, writes):
            if fused:
                use_residual_norm(segment.module)
        found = returns.module(*(values[name] for name in returns.inputs))
        wanted = dict(zip(returns.outputs, found, strict=True))
        state = {name: value for name, value in wanted.items() if name in STATE}
        made = {NEXT + name: torch.full_like(value, 77) for name, value in state.items()}
        made[NEXT + "count"] = torch.zeros(1, dtype=torch.int32)
        writes = write_in_place(writes)
        writes.module.graph.lint()
        answers = writes.module(*({**values, **made}[name] for name in writes.inputs))
        assert list(writes.outputs) == [name for name in wanted if name not in STATE]
        for name, value in zip(writes.outputs, answers, strict=True):
            assert torch.equal(value, wanted[name])
        for name, value in state.items():
            assert torch.equal(made[NEXT + name], value), name
        if state:
            assert made[NEXT + "count"].tolist() == [state["offsets"][-1]]
        copies = [n for n in writes.module.graph.nodes if n.target == "copy_"]
        assert len(copies) == ("lengths" in state) + (not fused and "residual" in state)
        values.update(state)
