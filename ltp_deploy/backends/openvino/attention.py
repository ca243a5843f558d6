"""The plugin's attention in an `ov.Model`, and what it says of the tokens that are alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.integers import add_integers, read_integers

PARTS = ("kept", "offsets", "alive")  # its results 1, 2 and 3


def attention_nodes(model: Any) -> list[Any]:
    """One node for each layer, in the order of the layers."""
    return [node for node in model.get_ordered_ops() if node.get_type_name() == "PrunedAttention"]


def add_parts(model: Any, layers: Sequence[int], parts: Sequence[str], activations: str) -> None:
    """Give the model one output more for each of these `PARTS`, in place.

    Args:
        layers: which of them say it; at least one.
        activations: the engine's, "f32" or "bf16".
    """
    nodes = attention_nodes(model)
    for part in parts:
        values = [nodes[layer].output(1 + PARTS.index(part)) for layer in layers]
        add_integers(model, part, values, activations, small=part == "alive")


def take_parts(
    outputs: dict[str, np.ndarray], layers: Sequence[int], parts: Sequence[str]
) -> list[np.ndarray]:
    """What these outputs say, which are removed from `outputs`: the rows of all layers one after
    another; of "offsets" [layers, B+1]."""
    found = [read_integers(outputs.pop(part)) for part in parts]
    return [
        values.reshape(len(layers), -1) if part == "offsets" else values
        for part, values in zip(parts, found, strict=True)
    ]
