"""The graph's spec: run after every pass, so that a broken pass is named at once."""

from __future__ import annotations

import torch
from torch import fx

from ltp_deploy.compiler.trace import (
    ALIVE,
    ALIVE_OUT,
    CARRY,
    CONTEXT,
    KEPT,
    MODE,
    OFFSETS,
    OFFSETS_OUT,
    THRESHOLD,
    attention_nodes,
    result,
)
from ltp_deploy.model.policy import Carry, Mode


def verify_graph(module: fx.GraphModule, layers: int) -> None:
    """Check the invariants that every backend relies on.

    Raises:
        AssertionError: a compiler bug, with the node that breaks the rule.
    """
    module.graph.lint()
    nodes = attention_nodes(module)
    assert len(nodes) == layers, f"{len(nodes)} attention nodes for {layers} layers"
    for previous, node in zip([None, *nodes], nodes, strict=False):
        assert node.args[CARRY] in list(Carry), f"{node}: unknown carry {node.args[CARRY]}"
        assert node.args[MODE] in list(Mode), f"{node}: unknown mode {node.args[MODE]}"
        assert isinstance(node.args[THRESHOLD], float), f"{node}: threshold is not a constant"
        assert result(node, CONTEXT) is not None, f"{node}: context is unused"
        if previous is not None:
            for argument, output in ((OFFSETS, OFFSETS_OUT), (ALIVE, ALIVE_OUT)):
                assert node.args[argument] is result(previous, output), (
                    f"{node}: argument {argument} does not come from the layer before"
                )
        _check_residual(node)


def _check_residual(node: fx.Node) -> None:
    """Rows that the op drops must be gathered away from the residual as well."""
    kept = result(node, KEPT)
    gathers = [
        user
        for user in (kept.users if kept else ())
        if user.op == "call_function" and user.target is torch.index_select
    ]
    if node.args[CARRY] != Carry.ALL:
        assert gathers, f"{node}: rows are dropped but the residual is not gathered"
