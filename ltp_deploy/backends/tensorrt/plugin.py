"""The plugin `LtpPrunedAttention` in Python: for machines without the C++ one.

Same name, version, fields and serialized form as `plugins/tensorrt`, so that an engine built with
either is served by either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.cuda.bindings import check, runtime
from ltp_deploy.cuda.kernels import Queue, pruned_attention
from ltp_deploy.cuda.launches import Layer, workspace
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.signature import FLOATS, INPUTS, INTEGERS, NAME, OUTPUTS

VERSION, NAMESPACE = "1", ""
CONTEXT, KEPT, OFFSETS, ALIVE, COUNT = range(5)  # outputs; COUNT only where rows are removed


def register(trt: Any, registry: Any, fatbin: Path | None = None) -> None:
    """Register the plugin.

    Args:
        trt: the module tensorrt or tensorrt_rtx; `registry`: its own, or that of a runtime.
        fatbin: the compiled kernels, without which engines can be built but not run.
    """
    registry.register_creator(_creator(trt, fatbin), NAMESPACE)


def _creator(trt: Any, fatbin: Path | None) -> Any:
    plugin = _plugin_class(trt, fatbin)

    class Creator(trt.IPluginCreatorV3One):
        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE
            self.fields = _Fields(trt, dict.fromkeys((*INTEGERS, *FLOATS), ()))
            self.field_names = self.fields.collection

        def create_plugin(self, name: str, fields: Any, phase: Any) -> Any:
            given = {field.name: np.ravel(field.data) for field in fields}
            missing = [key for key in (*INTEGERS, *FLOATS) if key not in given]
            if missing:
                raise ValueError(f"{NAME} node {name!r} lacks {', '.join(missing)}")
            values = {key: int(given[key][0]) for key in INTEGERS}
            return plugin({**values, **{key: float(given[key][0]) for key in FLOATS}})

    return Creator()


class _Fields:
    """A collection of plugin fields, and the memory that it only points to."""

    def __init__(self, trt: Any, values: dict[str, Any]):
        integer = np.int32, trt.PluginFieldType.INT32
        number = np.float32, trt.PluginFieldType.FLOAT32
        kinds: list[tuple[str, Any, Any]] = [(key, *integer) for key in INTEGERS]
        kinds += [(key, *number) for key in FLOATS]
        self.arrays = [np.array(values[key], dtype).reshape(-1) for key, dtype, _ in kinds]
        self.fields = [
            trt.PluginField(key, array, kind)
            for (key, _, kind), array in zip(kinds, self.arrays, strict=True)
        ]
        self.collection = trt.PluginFieldCollection(self.fields)


def _plugin_class(trt: Any, fatbin: Path | None) -> Any:
    class PrunedAttention(
        trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime
    ):
        def __init__(self, attributes: dict[str, Any]) -> None:
            for base in PrunedAttention.__bases__:
                base.__init__(self)
            self.plugin_name, self.plugin_version = NAME, VERSION
            self.plugin_namespace = NAMESPACE
            self.attributes = attributes
            self.fields = _Fields(trt, attributes)
            self.num_outputs = 5 if attributes["carry"] == Carry.SURVIVORS else 4

        def get_capability_interface(self, kind: Any) -> Any:
            return self

        def clone(self) -> Any:
            return PrunedAttention(self.attributes)

        def get_fields_to_serialize(self) -> Any:
            return self.fields.collection

        def get_output_data_types(self, inputs: Any) -> list[Any]:
            return [inputs[0], *[trt.DataType.INT32] * (self.num_outputs - 1)]

        def get_output_shapes(self, inputs: Any, shape_inputs: Any, expressions: Any) -> list[Any]:
            qkv, offsets, _, lengths = inputs
            shapes = [trt.DimsExprs(n) for n in (2, 1, 1, 1, 0)][: self.num_outputs]
            rows = qkv[0]
            if self.attributes["carry"] == Carry.SURVIVORS:
                half = expressions.operation(
                    trt.DimensionOperation.CEIL_DIV, qkv[0], expressions.constant(2)
                )
                rows = expressions.declare_size_tensor(COUNT, half, qkv[0])
            elif self.attributes["carry"] == Carry.FIRST:
                rows = lengths[0]
            shapes[CONTEXT][0] = shapes[KEPT][0] = shapes[ALIVE][0] = rows
            shapes[CONTEXT][1] = expressions.operation(
                trt.DimensionOperation.FLOOR_DIV, qkv[1], expressions.constant(3)
            )
            shapes[OFFSETS][0] = offsets[0]
            return shapes

        def supports_format_combination(self, position: int, tensors: Any, inputs: int) -> bool:
            found = tensors[position].desc
            half = position in (0, len(INPUTS) + CONTEXT)
            wanted = trt.DataType.HALF if half else trt.DataType.INT32
            return found.format == trt.TensorFormat.LINEAR and found.type == wanted

        def get_valid_tactics(self) -> list[int]:
            return [1]  # one: TensorRT would time several on meaningless offsets

        def set_tactic(self, tactic: int) -> None:
            pass

        def configure_plugin(self, inputs: Any, outputs: Any) -> None:
            pass

        def on_shape_change(self, inputs: Any, outputs: Any) -> None:
            pass

        def attach_to_context(self, context: Any) -> Any:
            return self.clone()

        def get_workspace_size(self, inputs: Any, outputs: Any) -> int:
            most = [tensor.max for tensor in inputs]
            return workspace(self._layer(most[0][1]), most[0][0], most[3][0]).bytes

        def enqueue(
            self,
            input_desc: Any,
            output_desc: Any,
            inputs: Any,
            outputs: Any,
            scratch: int,
            stream: int,
        ) -> None:
            assert fatbin is not None, "registered for building alone"
            rows, width = input_desc[0].dims
            pointers = dict(zip(INPUTS, inputs, strict=True))
            pointers |= zip(OUTPUTS, outputs, strict=False)
            queue = Queue(check(runtime().cudaGetDevice()), stream, fatbin)
            pruned_attention(
                self._layer(width), rows, input_desc[3].dims[0], pointers, scratch, queue
            )

        def _layer(self, width: int) -> Layer:
            given = self.attributes
            return Layer(
                heads=given["heads"],
                head_size=width // 3 // given["heads"],
                rule=LayerRule(Mode(given["mode"]), given["threshold"]),
                score_length=given["score_length"],
                keep_first=bool(given["keep_first"]),
                carry=Carry(given["carry"]),
            )

    return PrunedAttention
