"""LayerNorm of sums as one op: its meaning, its kernel in emulation, and where graphs get it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import ltp_deploy.backends.torch_cuda.residual_norm  # noqa: F401
from ltp_deploy.backends.torch_cuda.residual_norm import use_residual_norm
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.model.problems import tiny_encoder

OP = torch.ops.ltp.residual_norm


def problem(rows: int, columns: int, gathers: bool) -> tuple[Tensor, ...]:
    torch.manual_seed(rows)
    x, residual = torch.randn(rows, columns).half(), torch.randn(rows + 2, columns).half()
    kept = torch.randint(0, rows + 2, (rows,), dtype=torch.int32) if gathers else None
    if kept is None:
        residual = residual[:rows]
    return x, residual, kept, torch.randn(columns).half(), torch.randn(columns).half()


def reference(x: Tensor, residual: Tensor, kept: Tensor | None, *affine: Tensor) -> Tensor:
    total = x.double() + (residual if kept is None else residual[kept.long()]).double()
    weight, bias = (value.double() for value in affine)
    return torch.nn.functional.layer_norm(total, total.shape[1:], weight, bias, 1e-5)


@pytest.mark.parametrize("gathers", [False, True])
@pytest.mark.parametrize("columns", [8, 264, 768, 1024])
def test_residual_norm_is_a_layer_norm_of_a_sum(columns: int, gathers: bool) -> None:
    given = problem(5, columns, gathers)
    found = OP(*given, 1e-5)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.double(), reference(*given), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("gathers", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(0, 8), (1, 8), (5, 264), (9, 1024)])
def test_the_residual_norm_kernel_is_a_layer_norm_of_a_sum(
    rows: int, columns: int, gathers: bool, emulated_gpu: list[str]
) -> None:
    given = problem(rows, columns, gathers)
    found = OP(*given, 1e-5)
    torch.testing.assert_close(found.double(), reference(*given), rtol=1e-3, atol=1e-3)
    assert emulated_gpu == ["ltp_residual_norm"] * (rows > 0)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("x", lambda x: x.float(), r"x is torch\.float32"),
        ("residual", lambda x: x[:-1], r"residual is .* \(4, 8\) .* takes torch\.float16 \(5, 8\)"),
        ("weight", lambda x: x[:4], r"weight is .* \(4,\)"),
        ("kept", lambda x: torch.zeros(5, dtype=torch.int64), r"kept is torch\.int64"),
    ],
)
def test_tensors_that_the_norm_kernel_does_not_take_are_refused(
    name: str, change: Any, message: str, emulated_gpu: list[str]
) -> None:
    names = ("x", "residual", "kept", "weight", "bias")
    given = dict(zip(names, problem(5, 8, gathers=False), strict=True))
    given[name] = change(given[name])
    with pytest.raises(LtpError, match=message):
        OP(*given.values(), 1e-5)
    assert not emulated_gpu


def operators(module: fx.GraphModule, target: object) -> int:
    return sum(node.target is target for node in module.graph.nodes)


@pytest.mark.parametrize("compact", ["all", "none"])
def test_every_layer_norm_of_a_sum_becomes_residual_norm(compact: str) -> None:
    encoder = tiny_encoder(PrunePolicy((LayerRule(Mode.TOPK, 0.6),) * 3, 0, True))
    plan = make_plan(PlanRequest(encoder.config, "fp16", compact=compact))
    module = lower(encoder, plan)
    values = tuple(example_inputs(module, encoder.config).values())
    wanted = module(*values)[0]
    use_residual_norm(module)
    module.graph.lint()
    assert operators(module, OP) == 7  # two in each layer, one after the embeddings
    called = [module.get_submodule(n.target) for n in module.graph.nodes if n.op == "call_module"]
    assert not any(isinstance(m, nn.LayerNorm) for m in called)
    # The last layer gathers first rows for the sum alone, as layers with compaction do.
    assert operators(module, torch.index_select) == 1
    torch.testing.assert_close(module(*values)[0], wanted, rtol=0, atol=0.02)


def test_layer_norms_of_too_many_columns_are_left_alone() -> None:
    policy = PrunePolicy((LayerRule(Mode.NONE, 0.0),), 0, True)
    encoder = tiny_encoder(policy, hidden_size=1040, embedding_size=1040, heads=2)
    module = lower(encoder, make_plan(PlanRequest(encoder.config, "fp16")))
    use_residual_norm(module)
    assert operators(module, OP) == 0
