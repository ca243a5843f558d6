"""The layers of a built engine, read from TensorRT's detailed build log.

TensorRT's inspector, which lists the same, needs the GPU that the engine is for.
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
_PROFILE = re.compile(r"\[profile (\d+)\]")
_GROUP = re.compile(r"_(myl\d+)_\d+$")


def read_layers(messages: Iterable[str]) -> list[dict[str, Any]]:
    """The engine's layers, from all messages of a build; none where the log is not understood.

    Returns:
        For each layer its `name`, its `kind` (TensorRT's layer type), the number of the
        optimisation `profile` that it belongs to, the data types of its `inputs` and `outputs`, and
        `nodes`, the names of the ONNX nodes that it computes.
    """
    text = next((m for m in messages if m.startswith("Layers:")), "")
    lines = [(line, match) for line in text.splitlines() if (match := _LAYER.match(line))]
    profiles = _profiles([match["name"] for _, match in lines])
    return [
        {
            "name": match["name"],
            "profile": profile,
            "kind": match["kind"],
            "inputs": _TYPE.findall(match["inputs"]),
            "outputs": _TYPE.findall(match["outputs"]),
            "nodes": _NODE.findall(line),
        }
        for (line, match), profile in zip(lines, profiles, strict=True)
    ]


def _profiles(names: list[str]) -> list[int]:
    """The optimisation profile of each layer. Profiles follow one another, and are in the names of
    some layers; those of one group, which their names end with, are of one profile."""
    groups = {_group(name): int(named[1]) for name in names if (named := _PROFILE.search(name))}
    found = [0]
    for name in names:
        named = _PROFILE.search(name)
        found.append(int(named[1]) if named else groups.get(_group(name), found[-1]))
    return found[1:]


def _group(name: str) -> str:
    grouped = _GROUP.search(name)
    return grouped[1] if grouped else name


@dataclass(frozen=True)
class LayerCounts:
    """Numbers of layers of some kinds in an engine, in its first optimisation profile.

    Attributes:
        plugins: calls of the attention plugin.
        host_syncs: copies of a row count to the host, each of which is a host sync.
        products: matrix products, of which `products_fp16` have fp16 operands, and `products_int8`
            int8 ones.
        fused_activations: products with their activation in the same kernel.
        fused_norms: LayerNorms in the same kernel as the additions before them.
    """

    plugins: int
    host_syncs: int
    products: int
    products_fp16: int
    products_int8: int
    fused_activations: int
    fused_norms: int


def count_layers(layers: list[dict[str, Any]], operators: Mapping[str, str]) -> LayerCounts:
    """Count the layers that `read_layers` found.

    Args:
        layers: as `read_layers` gives them.
        operators: the operator types of the model's ONNX nodes, by the nodes' names.
    """
    layers = [layer for layer in layers if layer["profile"] == 0]
    fused = [({operators.get(node, "") for node in layer["nodes"]}, layer) for layer in layers]
    # A product's bias may be added in the kernel after it, which then names the product as well.
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
