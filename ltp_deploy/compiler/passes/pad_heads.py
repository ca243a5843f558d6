"""Heads whose size is no multiple of 8 (312 / 12 = 26) get zeros up to the next one."""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from ltp_deploy.compiler.passes.linear import linear
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import argument, attention_nodes, called, operand, result
from ltp_deploy.model.config import padded_head_size


@torch.no_grad()
def pad_heads(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Add columns of zeros to queries, keys and values, and so to the context that is projected.

    They change no product, but the op divides by the square root of the size that it is given,
    which is larger now; so the queries are multiplied by as much.
    """
    for node in attention_nodes(module):
        heads, context = argument(node, "heads"), result(node, "context")
        assert isinstance(heads, int)
        assert context is not None
        stacked, (projection,) = operand(node, 0), context.users
        qkv, output = called(module, stacked, nn.Linear), called(module, projection, nn.Linear)
        size = output.in_features // heads
        padded = padded_head_size(size)
        if padded == size:
            continue
        weight, bias = (
            _padded(_scaled(p, (padded / size) ** 0.5), 0, size, padded)
            for p in (qkv.weight, qkv.bias)
        )
        module.set_submodule(str(stacked.target), linear(weight, bias))
        narrow = linear(_padded(output.weight, 1, size, padded), output.bias)
        module.set_submodule(str(projection.target), narrow)
    return module


def _scaled(values: Tensor, factor: float) -> Tensor:
    """A weight or bias of queries, keys and values, the queries' third times a factor."""
    scale = values.new_ones(len(values), dtype=torch.float64)  # each value is rounded once
    scale[: len(values) // 3] = factor
    return (values * scale.view(-1, *[1] * (values.dim() - 1))).to(values.dtype)


def _padded(values: Tensor, dim: int, size: int, padded: int) -> Tensor:
    """`values` with zeros after every `size` entries along `dim`, `padded` together."""
    split = values.unflatten(dim, (-1, size))
    missing = list(split.shape)
    missing[dim + 1] = padded - size
    return torch.cat([split, split.new_zeros(missing)], dim + 1).flatten(dim, dim + 1)
