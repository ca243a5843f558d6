"""Encoder -> a torch.fx graph whose attention is `ltp::pruned_attention`, and how to read it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import fx, nn
from torch.fx.node import Argument

from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.signature import ARGUMENTS, RESULTS

OP = torch.ops.ltp.pruned_attention
SUM = torch.ops.ltp.segment_sum

Module = TypeVar("Module", bound=nn.Module)


def trace(encoder: Encoder) -> fx.GraphModule:
    """Trace the packed encoder symbolically: no input is run, so every length stays free."""
    return fx.symbolic_trace(encoder)


def attention_nodes(module: fx.GraphModule) -> list[fx.Node]:
    """The op's nodes, one for each layer, in the order of the layers."""
    return [n for n in module.graph.nodes if n.op == "call_function" and n.target is OP]


def argument(node: fx.Node, name: str) -> Argument:
    """An argument of an attention node by its name in `ARGUMENTS`."""
    return node.args[ARGUMENTS.index(name)]


def set_argument(node: fx.Node, name: str, value: Argument) -> None:
    """Give an attention node another argument, by its name in `ARGUMENTS`."""
    node.update_arg(ARGUMENTS.index(name), value)


def result(node: fx.Node, name: str) -> fx.Node | None:
    """The node that takes one result of an attention node, by its name in `RESULTS`; None where
    nothing uses that result."""
    for user in node.users:
        if user.args[1] == RESULTS.index(name):
            return user
    return None


def operand(node: fx.Node, index: int) -> fx.Node:
    """The node that computes a positional argument of any node."""
    found = node.args[index]
    assert isinstance(found, fx.Node), f"{node}: argument {index} is no node"
    return found


def called(module: fx.GraphModule, node: fx.Node, kind: type[Module]) -> Module:
    """The submodule, of the expected class, that a `call_module` node calls."""
    found = module.get_submodule(str(node.target))
    assert isinstance(found, kind), f"{node} calls a {type(found).__name__}"
    return found
