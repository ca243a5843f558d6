"""Nodes of the OpenVINO plugin's operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.model.signature import ARGUMENTS, ATTRIBUTES, INPUTS


class PluginNodes:
    """Makes nodes of the plugin's operations, in one precision and for one instruction set.

    Args:
        plugin: the plugin's shared library.
        precision: "f32" or "bf16", the type of the first input and the first output.
        isa: the highest instruction set that kernels may use, "" for no limit.
    """

    def __init__(self, plugin: Path, precision: str, isa: str):
        import_openvino()
        from openvino.utils.node_factory import NodeFactory

        self._factory = NodeFactory("opset13")
        self._factory.add_extension(str(plugin))
        self.plugin = plugin
        self.precision = precision
        self.isa = isa

    def create(
        self,
        kind: str,
        inputs: Sequence[Any],
        attributes: dict[str, Any],
        activations: Sequence[int] = (0,),
    ) -> list[Any]:
        """Create a node that is f32 to its neighbours, whatever the precision.

        Args:
            kind: the operation, "PrunedAttention" or "Linear".
            inputs: outputs of other nodes.
            attributes: by the names that the plugin knows.
            activations: which inputs have the precision.

        Returns:
            The outputs of the new node.
        """
        from openvino import opset13 as ops

        inputs = list(inputs)
        if self.precision == "bf16":
            # With bf16 inference the neighbours are bf16 too, and OpenVINO drops both conversions.
            for i in activations:
                inputs[i] = ops.convert(inputs[i], "bf16").output(0)
        node = self._factory.create(kind, inputs, {**attributes, "isa": self.isa})
        outputs: list[Any] = node.outputs()
        if self.precision == "bf16":
            outputs[0] = ops.convert(outputs[0], "f32").output(0)
        return outputs


def segment_sum_extension() -> Any:
    """What translates traced calls of `ltp::segment_sum`, likewise."""
    from openvino import opset15 as ops
    from openvino.frontend.pytorch import ConversionExtension

    def convert(context: Any) -> list[Any]:
        x, offsets = (context.get_input(i) for i in range(2))
        first, last, one = (np.array([i], np.int64) for i in (0, -1, 1))
        starts = ops.slice(offsets, first, last, one, first)
        count = ops.gather(ops.shape_of(x, "i32"), np.int64(0), np.int64(0))
        rows = ops.range(np.int32(0), count, np.int32(1), "i32")
        return ops.embedding_bag_offsets(x, rows, starts).outputs()

    return ConversionExtension("ltp::segment_sum", convert)


def attention_extension(nodes: PluginNodes) -> Any:
    """What translates traced calls of `ltp::pruned_attention` to the plugin's operation, for
    OpenVINO's PyTorch frontend."""
    from openvino.frontend.pytorch import ConversionExtension

    def convert(context: Any) -> list[Any]:
        inputs = [context.get_input(ARGUMENTS.index(name)) for name in INPUTS]
        given = {
            name: kind(context.get_values_from_const_input(ARGUMENTS.index(name)))
            for name, kind in ATTRIBUTES.items()
        }
        named = {
            "mode": Mode(int(given["mode"])).name.lower(),
            "carry": Carry(int(given["carry"])).name.lower(),
            "precision": nodes.precision,
        }
        return nodes.create("PrunedAttention", inputs, {**given, **named})

    return ConversionExtension("ltp::pruned_attention", convert)
