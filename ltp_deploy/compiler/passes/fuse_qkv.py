"""The query, key and value projections of a layer become one matrix product."""

from __future__ import annotations

import torch
from torch import fx, nn

from ltp_deploy.compiler.passes.linear import linear
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
        weight = torch.cat([m.weight.detach() for m in linears])
        bias = torch.cat([m.bias.detach() for m in linears])
        module.add_submodule(name, linear(weight, bias))
        with module.graph.inserting_before(concatenated):
            fused = module.graph.call_module(name, projections[0].args)
        concatenated.replace_all_uses_with(fused)
    return module
