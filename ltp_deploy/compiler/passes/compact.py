"""Give every layer the carry and rule that the plan chose."""

from __future__ import annotations

from torch import fx

from ltp_deploy.compiler.plan import Plan, lowered_rule
from ltp_deploy.compiler.trace import attention_nodes, operand, result, set_argument
from ltp_deploy.model.policy import Carry


def compact(module: fx.GraphModule, plan: Plan) -> fx.GraphModule:
    """Set carry, mode and threshold; a layer that carries all rows gathers none of the residual."""
    for node, layer in zip(attention_nodes(module), plan.layers, strict=True):
        rule = lowered_rule(layer)
        set_argument(node, "carry", int(layer.carry))
        set_argument(node, "mode", int(rule.mode))
        set_argument(node, "threshold", rule.threshold)
        kept = result(node, "kept")
        if layer.carry is not Carry.ALL or kept is None:
            continue
        for user in list(kept.users):
            if user.op == "call_function":  # index_select(x, 0, kept)
                user.replace_all_uses_with(operand(user, 0))
                module.graph.erase_node(user)
    return module
