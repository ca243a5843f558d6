"""Give every layer the carry and rule that the plan chose."""

from __future__ import annotations

from torch import fx

from ltp_deploy.compiler.plan import Plan, lowered_rule
from ltp_deploy.compiler.trace import (
    CARRY,
    KEPT,
    MODE,
    THRESHOLD,
    argument,
    attention_nodes,
    result,
    set_argument,
)
from ltp_deploy.model.policy import Carry


def compact(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Set carry, mode and threshold; where all rows are carried, no row needs gathering."""
    for node, layer in zip(attention_nodes(module), plan.layers, strict=True):
        rule = lowered_rule(layer)
        set_argument(node, CARRY, int(layer.carry))
        set_argument(node, MODE, int(rule.mode))
        set_argument(node, THRESHOLD, rule.threshold)
        kept = result(node, KEPT)
        if layer.carry is not Carry.ALL or kept is None:
            continue
        for user in list(kept.users):
            if user.op == "call_function":  # index_select(x, 0, kept)
                user.replace_all_uses_with(argument(user, 0))
                module.graph.erase_node(user)
    return module
