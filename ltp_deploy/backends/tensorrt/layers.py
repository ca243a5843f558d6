"""The layers of a built engine, read from the detailed build log.

TensorRT's own inspector needs a GPU; the log says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ltp_deploy.model.signature import NAME

_LAYER = re.compile(
    r"^Name: (?P<name>.*?), LayerType: (?P<kind>.*?), Inputs: (?P<inputs>.*?)"
    r"(?:, Constants: .*?)?, Outputs: (?P<outputs>.*?)(?:, TacticName|, TacticValue|, StreamId|$)"
)
_TYPE = re.compile(r"Datatype: (\w+)")
_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")


def read_layers(messages: Iterable[str]) -> list[dict[str, Any]]:
    """One entry per layer of the engine: `name`, `kind` (TensorRT's layer type), `inputs` and
    `outputs` (data types), `nodes` (names of the ONNX nodes that were fused into it)."""
    text = next((m for m in messages if m.startswith("Layers:")), "")
    found = []
    for line in text.splitlines():
        match = _LAYER.match(line)
        if match:
            found.append(
                {
                    "name": match["name"],
                    "kind": match["kind"],
                    "inputs": _TYPE.findall(match["inputs"]),
                    "outputs": _TYPE.findall(match["outputs"]),
                    "nodes": _NODE.findall(line),
                }
            )
    return found


@dataclass(frozen=True)
class LayerCounts:
    """What matters of an engine's layers.

    Attributes:
        plugins: calls of the attention plugin.
        host_syncs: copies of a row count to the host, which wait for the GPU.
        products: matrix products, of which `products_fp16` have fp16 operands, `products_int8`
            int8 ones.
        fused_activations: products with their activation inside.
        fused_norms: LayerNorms in one kernel with the additions before them.
    """

    plugins: int
    host_syncs: int
    products: int
    products_fp16: int
    products_int8: int
    fused_activations: int
    fused_norms: int


def count_layers(layers: list[dict[str, Any]], operators: Mapping[str, str]) -> LayerCounts:
    """Count; `operators` maps names of ONNX nodes to their operator types."""
    fused = [({operators.get(node, "") for node in layer["nodes"]}, layer) for layer in layers]
    # A product's bias may be added in the kernel behind it, which then names the product as well.
    products = [(ops, layer) for ops, layer in fused if "Gemm" in ops and layer["kind"] != "kgen"]
    return LayerCounts(
        plugins=sum(NAME in ops for ops, _ in fused),
        host_syncs=sum(layer["kind"] == "DeviceToShapeHost" for layer in layers),
        products=len(products),
        products_fp16=sum(set(layer["inputs"]) == {"Half"} for _, layer in products),
        products_int8=sum(set(layer["inputs"]) == {"Int8"} for _, layer in products),
        fused_activations=sum(bool(ops & {"Gelu", "Relu", "Tanh"}) for ops, _ in products),
        fused_norms=sum({"LayerNormalization", "Add"} <= ops for ops, _ in fused),
    )
