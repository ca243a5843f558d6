"""The query, key and value projections of a layer become one matrix product."""

from __future__ import annotations

import torch
from torch import fx, nn

from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import argument, attention_nodes, called


def fuse_qkv(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Replace cat(query(x), key(x), value(x)) by qkv(x), with the three weights stacked."""
    for i, node in enumerate(attention_nodes(module)):
        concatenated = argument(node, "qkv")
        assert isinstance(concatenated, fx.Node)
        projections = concatenated.all_input_nodes
        linears = [called(module, p, nn.Linear) for p in projections]
        name = f"layer_{i}_qkv"
        module.add_submodule(name, _stacked(linears))
        with module.graph.inserting_before(concatenated):
            fused = module.graph.call_module(name, projections[0].args)
        concatenated.replace_all_uses_with(fused)
    return module


def _stacked(linears: list[nn.Linear]) -> nn.Linear:
    with torch.device("meta"):
        fused = nn.Linear(linears[0].in_features, sum(m.out_features for m in linears))
    fused.weight = nn.Parameter(torch.cat([m.weight for m in linears]), requires_grad=False)
    fused.bias = nn.Parameter(torch.cat([m.bias for m in linears]), requires_grad=False)
    return fused
