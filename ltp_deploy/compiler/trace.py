"""Encoder -> a torch.fx graph whose attention is `ltp::pruned_attention`."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import fx, nn
from torch.fx.node import Argument

from ltp_deploy.model.encoder import Encoder

OP = torch.ops.ltp.pruned_attention
# Positions of the op's arguments in a graph node, see ltp_deploy.model.op.
QKV, OFFSETS, ALIVE, LENGTHS, HEADS, MODE, THRESHOLD, SCORE_LENGTH, KEEP_FIRST, CARRY = range(10)
# Positions in the tuple it returns.
CONTEXT, KEPT, OFFSETS_OUT, ALIVE_OUT = range(4)

Module = TypeVar("Module", bound=nn.Module)


def trace(encoder: Encoder) -> fx.GraphModule:
    """Trace the packed encoder symbolically: no input is run, every length stays free."""
    return fx.symbolic_trace(encoder)


def attention_nodes(module: fx.GraphModule) -> list[fx.Node]:
    """The op's nodes, one per layer, in order."""
    return [n for n in module.graph.nodes if n.op == "call_function" and n.target is OP]


def result(node: fx.Node, index: int) -> fx.Node | None:
    """The node that takes the op's result `index`, or None where nothing uses it."""
    for user in node.users:
        if user.args[1] == index:
            return user
    return None


def argument(node: fx.Node, index: int) -> fx.Node:
    """The node that computes the argument `index`."""
    found = node.args[index]
    assert isinstance(found, fx.Node), f"{node}: argument {index} is no node"
    return found


def called(module: fx.GraphModule, node: fx.Node, kind: type[Module]) -> Module:
    """The submodule that a `call_module` node calls."""
    found = module.get_submodule(str(node.target))
    assert isinstance(found, kind), f"{node} calls a {type(found).__name__}"
    return found


def set_argument(node: fx.Node, index: int, value: Argument) -> None:
    node.args = (*node.args[:index], value, *node.args[index + 1 :])
