"""The plugin `LtpPrunedAttention` in Python: for machines without the C++ one.

Same name, version, fields and serialized form as `plugins/tensorrt`, so that an engine built with
either is served by either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NAME, VERSION, NAMESPACE = "LtpPrunedAttention", "1", ""
INTEGERS = ("heads", "mode", "score_length", "keep_first", "carry")
FLOATS = ("threshold",)
INPUTS = 4  # qkv, offsets, alive, lengths
ALL, SURVIVORS, FIRST, BOUNDED = range(4)  # of `carry`, see ltp_deploy.pruning.policy.Carry
CONTEXT, KEPT, OFFSETS, ALIVE, COUNT = range(5)  # outputs; COUNT only where carry is SURVIVORS


def register(trt: Any) -> None:
    """Register the plugin with `trt`, the module tensorrt or tensorrt_rtx, unless it is known."""
    registry = trt.get_plugin_registry()
    if registry.get_creator(NAME, VERSION, NAMESPACE) is None:
        registry.register_creator(_creator(trt), NAMESPACE)


def _creator(trt: Any) -> Any:
    plugin = _plugin_class(trt)

    class Creator(trt.IPluginCreatorV3One):
        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE
            none = np.array([])
            self.field_names = _fields(trt, dict.fromkeys((*INTEGERS, *FLOATS), none))

        def create_plugin(self, name: str, fields: Any, phase: Any) -> Any:
            given = {field.name: np.ravel(field.data) for field in fields}
            missing = [key for key in (*INTEGERS, *FLOATS) if key not in given]
            if missing:
                raise ValueError(f"{NAME} node {name!r} lacks {', '.join(missing)}")
            values = {key: int(given[key][0]) for key in INTEGERS}
            return plugin({**values, **{key: float(given[key][0]) for key in FLOATS}})

    return Creator()


def _fields(trt: Any, values: dict[str, np.ndarray]) -> Any:
    kinds = {np.int32: trt.PluginFieldType.INT32, np.float32: trt.PluginFieldType.FLOAT32}
    return trt.PluginFieldCollection(
        [
            *(
                trt.PluginField(key, values[key].astype(np.int32), kinds[np.int32])
                for key in INTEGERS
            ),
            *(
                trt.PluginField(key, values[key].astype(np.float32), kinds[np.float32])
                for key in FLOATS
            ),
        ]
    )


def _plugin_class(trt: Any) -> Any:
    class PrunedAttention(
        trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime
    ):
        def __init__(self, attributes: dict[str, Any]) -> None:
            for base in PrunedAttention.__bases__:
                base.__init__(self)
            self.plugin_name, self.plugin_version = NAME, VERSION
            self.plugin_namespace = NAMESPACE
            self.attributes = attributes
            self.num_outputs = 5 if attributes["carry"] == SURVIVORS else 4

        def get_capability_interface(self, kind: Any) -> Any:
            return self

        def clone(self) -> Any:
            return PrunedAttention(self.attributes)

        def get_fields_to_serialize(self) -> Any:
            values = {key: np.array([value]) for key, value in self.attributes.items()}
            return _fields(trt, values)

        def get_output_data_types(self, inputs: Any) -> list[Any]:
            return [inputs[0], *[trt.DataType.INT32] * (self.num_outputs - 1)]

        def get_output_shapes(self, inputs: Any, shape_inputs: Any, expressions: Any) -> list[Any]:
            qkv, offsets, _, lengths = inputs
            shapes = [trt.DimsExprs(n) for n in (2, 1, 1, 1, 0)][: self.num_outputs]
            rows = qkv[0]
            if self.attributes["carry"] == SURVIVORS:
                half = expressions.operation(
                    trt.DimensionOperation.CEIL_DIV, qkv[0], expressions.constant(2)
                )
                rows = expressions.declare_size_tensor(COUNT, half, qkv[0])
            elif self.attributes["carry"] == FIRST:
                rows = lengths[0]
            shapes[CONTEXT][0] = shapes[KEPT][0] = shapes[ALIVE][0] = rows
            shapes[CONTEXT][1] = expressions.operation(
                trt.DimensionOperation.FLOOR_DIV, qkv[1], expressions.constant(3)
            )
            shapes[OFFSETS][0] = offsets[0]
            return shapes

        def supports_format_combination(self, position: int, tensors: Any, inputs: int) -> bool:
            found = tensors[position].desc
            half = position in (0, INPUTS + CONTEXT)
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
            return 0

        def enqueue(self, *arguments: Any) -> None:
            raise NotImplementedError

    return PrunedAttention
