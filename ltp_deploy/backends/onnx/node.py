"""The op as an ONNX node: `ltp::LtpPrunedAttention`, which is also the TensorRT plugin's name."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ltp_deploy.model.signature import FLOATS, INPUTS, INTEGERS, NAME, OUTPUTS

if TYPE_CHECKING:
    import onnx

DOMAIN = "ltp"


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """The node's attributes by name."""
    return {a.name: a.f if a.name in FLOATS else a.i for a in node.attribute}


@functools.cache
def register_schema() -> None:
    """Tell the onnx package about the node, without which onnxscript cannot create it."""
    from onnx.defs import OpSchema, register_schema

    parameter, kind = OpSchema.FormalParameter, OpSchema.AttrType
    register_schema(
        OpSchema(
            NAME,
            DOMAIN,
            1,
            type_constraints=[
                ("T", ["tensor(float16)", "tensor(float)"], "queries, keys, values, context"),
                ("I", ["tensor(int32)"], "indices, counts and marks"),
            ],
            inputs=[parameter(n, "T" if n == "qkv" else "I") for n in INPUTS],
            outputs=[parameter(n, "T" if n == "context" else "I") for n in OUTPUTS],
            attributes=[
                *(OpSchema.Attribute(name, kind.INT, "") for name in INTEGERS),
                *(OpSchema.Attribute(name, kind.FLOAT, "") for name in FLOATS),
            ],
        )
    )
