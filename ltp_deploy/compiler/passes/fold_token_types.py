"""A token-type table of one row is a constant: add it to the position table."""

from __future__ import annotations

from torch import fx, nn

from ltp_deploy.compiler.plan import Plan
from ltp_deploy.compiler.trace import called


def fold_token_types(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Drop the token_type_ids input where it cannot change anything (RoBERTa, DistilBERT)."""
    ids = next(
        n for n in module.graph.nodes if n.op == "placeholder" and n.name == "token_type_ids"
    )
    for lookup in list(ids.users):
        table = called(module, lookup, nn.Embedding).weight
        if table.shape[0] != 1:
            return module
        position = module.get_parameter("position.weight")
        folded = nn.Embedding.from_pretrained(position + table, freeze=True)
        module.add_submodule("position", folded)
        (total,) = lookup.users
        total.replace_all_uses_with(next(a for a in total.args if a is not lookup))
        module.graph.erase_node(total)
        module.graph.erase_node(lookup)
    module.graph.erase_node(ids)
    return module
