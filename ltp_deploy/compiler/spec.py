"""The graph's spec, checked after every pass, so that a broken pass is named at once."""

from __future__ import annotations

import torch
from torch import fx, nn

from ltp_deploy.compiler.trace import argument, attention_nodes, called, operand, result
from ltp_deploy.model.policy import Carry, Mode


def verify_graph(module: fx.GraphModule, layers: int) -> None:
    """Check the invariants that every backend relies on.

    Args:
        module: a traced encoder, before or after any pass.
        layers: how many layers, and so attention nodes, it must have.

    Raises:
        AssertionError: a compiler bug; the message names the node that breaks an invariant.
    """
    module.graph.lint()
    nodes = attention_nodes(module)
    assert len(nodes) == layers, f"{len(nodes)} attention nodes for {layers} layers"
    for previous, node in zip([None, *nodes], nodes, strict=False):
        carry, mode = argument(node, "carry"), argument(node, "mode")
        assert carry in list(Carry), f"{node}: unknown carry {carry}"
        assert mode in list(Mode), f"{node}: unknown mode {mode}"
        threshold = argument(node, "threshold")
        assert isinstance(threshold, float), f"{node}: threshold is not a constant"
        assert result(node, "context") is not None, f"{node}: context is unused"
        if previous is not None:
            for name in ("offsets", "alive"):
                assert argument(node, name) is result(previous, f"{name}_out"), (
                    f"{node}: argument {name} does not come from the layer before"
                )
        _check_residual(node)
        _check_heads(module, node)


def _check_residual(node: fx.Node) -> None:
    """Rows that the op does not carry must be missing from the residual as well."""
    kept = result(node, "kept")
    gathers = [
        user
        for user in (kept.users if kept else ())
        if user.op == "call_function" and user.target is torch.index_select
    ]
    if argument(node, "carry") != Carry.ALL:
        assert gathers, f"{node}: rows are pruned but the residual is not gathered"


def _check_heads(module: fx.GraphModule, node: fx.Node) -> None:
    """The context is as wide as queries, keys and values, and has whole heads."""
    given, context = operand(node, 0), result(node, "context")
    projections = [given] if given.op == "call_module" else given.all_input_nodes
    columns = sum(called(module, p, nn.Linear).out_features for p in projections)
    users = list(context.users) if context else []
    depths = {called(module, u, nn.Linear).in_features for u in users if u.op == "call_module"}
    heads = argument(node, "heads")
    assert isinstance(heads, int), f"{node}: the number of heads is not a constant"
    assert columns % (3 * heads) == 0, f"{node}: {columns} columns for 3 * {heads} heads"
    assert depths == {columns // 3}, f"{node}: a context of {columns // 3}, read as {depths}"
