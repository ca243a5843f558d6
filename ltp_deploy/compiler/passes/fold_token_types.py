"""A table of token types that has one row is a constant: add it to the position table."""

from __future__ import annotations

import torch
from torch import fx, nn

from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import called


def fold_token_types(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Remove the input `token_type_ids` where it changes nothing (RoBERTa, DistilBERT)."""
    ids = next(
        n for n in module.graph.nodes if n.op == "placeholder" and n.name == "token_type_ids"
    )
    for lookup in list(ids.users):
        table = called(module, lookup, nn.Embedding).weight
        if table.shape[0] != 1:
            return module
        position = module.get_parameter("position.weight")
        with torch.device("meta"):
            folded = nn.Embedding(*position.shape)
        folded.weight = nn.Parameter(position + table, requires_grad=False)
        module.add_submodule("position", folded)
        (total,) = lookup.users
        total.replace_all_uses_with(next(a for a in total.args if a is not lookup))
        module.graph.erase_node(total)
        module.graph.erase_node(lookup)
    module.graph.erase_node(ids)
    return module
