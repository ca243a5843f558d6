"""Nodes of the plugin's operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class PluginNodes:
    """Makes nodes of the plugin's operations at one precision, limited to one instruction set.

    Args:
        plugin: the library.
        precision: "f32" or "bf16", of the first input and the first output.
        isa: highest instruction set to use, "" for no limit.
    """

    def __init__(self, plugin: Path, precision: str, isa: str):
        from openvino.utils.node_factory import NodeFactory

        self._factory = NodeFactory("opset13")
        self._factory.add_extension(str(plugin))
        self.plugin = plugin
        self.precision = precision
        self.isa = isa

    def create(self, kind: str, inputs: Sequence[Any], attributes: dict[str, Any]) -> list[Any]:
        """The outputs of a new node; f32 outside, whatever the precision."""
        from openvino import opset13 as ops

        inputs = list(inputs)
        if self.precision == "bf16":
            # In bf16 inference the neighbours have bf16 too, and OpenVINO drops both conversions.
            inputs[0] = ops.convert(inputs[0], "bf16").output(0)
        outputs = self._factory.create(kind, inputs, {**attributes, "isa": self.isa}).outputs()
        if self.precision == "bf16":
            outputs[0] = ops.convert(outputs[0], "f32").output(0)
        return outputs
