"""A model without nodes of our own, which any ONNX runtime executes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ltp_deploy.backends.onnx.node import attributes
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.signature import NAME

if TYPE_CHECKING:
    import onnx


def make_portable(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a model with every `LtpPrunedAttention` node replaced by calls of functions of
    standard operators, which the copy brings along."""
    import onnx
    from onnx import helper

    from ltp_deploy.backends.onnx import expansion

    portable = onnx.ModelProto()
    portable.CopyFrom(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes += _expanded(node) if node.op_type == NAME else [node]
    del portable.graph.node[:]
    portable.graph.node.extend(nodes)
    portable.functions.extend(f.to_function_proto() for f in expansion.FUNCTIONS)
    portable.opset_import.append(helper.make_opsetid(expansion.DOMAIN, 1))
    return portable


def _expanded(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The calls that compute what a node does: attention, keep rule, first token, carry."""
    from ltp_deploy.backends.onnx import expansion

    def local(*names: str) -> list[str]:
        return [f"{node.name}.{name}" for name in names]

    qkv, offsets, alive, lengths = node.input
    given = attributes(node)
    rule = LayerRule(Mode(given["mode"]), given["threshold"])
    keep = expansion.KEEP[rule.mode if rule.prunes else Mode.NONE]
    carry = expansion.CARRY[Carry(given["carry"])]
    score, context, place, column, inside, real, kept, survives, needed = local(
        *"score context place column inside real kept survives needed".split()
    )
    return [
        _call(
            expansion.Attend,
            node,
            [qkv, offsets, alive],
            [score, context, place, column, inside, real],
        ),
        _call(keep, node, [score, real, column, lengths], [kept]),
        _call(expansion.Finish, node, [kept, real, column, context], [survives, needed]),
        _call(carry, node, [survives, needed, place, column, inside, qkv], list(node.output)),
    ]


def _call(
    function: Any, node: onnx.NodeProto, inputs: list[str], outputs: list[str]
) -> onnx.NodeProto:
    """A call of an ONNX function with those of the node's attributes that it takes."""
    from onnx import helper

    proto = function.to_function_proto()
    given = attributes(node)
    return helper.make_node(
        proto.name,
        inputs,
        outputs,
        name=f"{node.name}.{proto.name}",
        domain=proto.domain,
        **{name: given[name] for name in proto.attribute},
    )
