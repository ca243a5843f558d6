"""The op as an ONNX node: `ltp::LtpPrunedAttention`, which is also the TensorRT plugin's name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ltp_deploy.model.signature import (
    ARGUMENTS,
    EXPECTED,
    FLOATING,
    FLOATS,
    INPUTS,
    INTEGERS,
    NAME,
    OUTPUTS,
    RESULTS,
)

if TYPE_CHECKING:
    import onnx

DOMAIN = "ltp"


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name: integers, but for the float `threshold`."""
    return {a.name: a.f if a.name in FLOATS else a.i for a in node.attribute}


@functools.cache
def register_schema() -> None:
    """Tell the package onnx about the node; onnxscript creates only nodes that it knows."""
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
            inputs=[parameter(name, "T" if name in FLOATING else "I") for name in INPUTS],
            outputs=[parameter(name, "T" if name in FLOATING else "I") for name in OUTPUTS],
            attributes=[
                *(OpSchema.Attribute(name, kind.INT, "") for name in INTEGERS),
                *(OpSchema.Attribute(name, kind.FLOAT, "") for name in FLOATS),
                OpSchema.Attribute(EXPECTED, kind.INT, "", required=False),
            ],
        )
    )


def translation() -> Callable[..., Any]:
    """What translates `ltp::pruned_attention` to the node, for PyTorch's ONNX exporter."""
    from onnxscript.values import Opset

    register_schema()
    create = getattr(Opset(DOMAIN, 1), NAME)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in ARGUMENTS])

    def translate(*arguments: Any, **named: Any) -> Any:
        given = signature.bind(*arguments, **named).arguments
        integers = {name: int(given[name]) for name in INTEGERS}
        floats = {name: given[name] for name in FLOATS}
        outputs = create(*(given[name] for name in INPUTS), **integers, **floats)
        return outputs[: len(RESULTS)]

    translate.__signature__ = signature  # type: ignore[attr-defined]  # the exporter reads it
    return translate
