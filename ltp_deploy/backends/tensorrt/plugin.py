"""The plugin `LtpPrunedAttention` in Python, for machines without the C++ one.

It has the name, version, fields and serialized form of the one in `plugins/tensorrt`, so that an
engine built with either runs with either. `Plugin` and `Creator` are what TensorRT calls; they are
ordinary classes, which only `register` joins with the interfaces of a TensorRT module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltp_deploy.backends.tensorrt.fields import FieldCollection, Value, parse_fields
from ltp_deploy.cuda.bindings import check, runtime
from ltp_deploy.cuda.kernels import Queue, load_kernels, pruned_attention
from ltp_deploy.cuda.launches import MAX_HEAD_SIZE, Layer, workspace
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.signature import EXPECTED, FLOATING, INPUTS, NAME, OUTPUTS, RESULTS

VERSION, NAMESPACE = "1", ""

_QKV, _OFFSETS, _LENGTHS = map(INPUTS.index, ("qkv", "offsets", "lengths"))
_PLUGIN = ("IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild", "IPluginV3OneRuntime")
_CREATOR = ("IPluginCreatorV3One",)


def register(trt: Any, registry: Any, fatbin: Path | None = None) -> None:
    """Register the plugin.

    Args:
        trt: the module tensorrt or tensorrt_rtx.
        registry: the module's plugin registry, or that of a runtime.
        fatbin: the compiled kernels; None where engines are built but not run.
    """
    plugin = joined(trt, Plugin, _PLUGIN, fatbin=fatbin)
    registry.register_creator(joined(trt, Creator, _CREATOR, plugin=plugin)(), NAMESPACE)


def joined(trt: Any, kind: type, interfaces: Sequence[str], **attributes: Any) -> Any:
    """A class with the methods of `kind` that implements interfaces of a TensorRT module."""
    bases = tuple(getattr(trt, name) for name in interfaces)
    return type(kind.__name__, (kind, *bases), {"trt": trt, "bases": bases, **attributes})


class Creator:
    """Makes plugins from the fields of an ONNX node or of a stored engine.

    Attributes:
        trt: the TensorRT module, whose interfaces `bases` the class implements.
        plugin: the class of the plugins.
    """

    trt: Any
    bases: tuple[Any, ...]
    plugin: Any

    def __init__(self) -> None:
        for base in self.bases:
            base.__init__(self)
        self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE
        self.fields = FieldCollection(self.trt)
        self.field_names = self.fields.collection

    def create_plugin(self, name: str, fields: Any, phase: Any) -> Any:
        """A plugin for the node `name`.

        Raises:
            ValueError: which field is wrong, what was found and what is allowed.
        """
        try:
            return self.plugin(parse_fields(fields))
        except ValueError as error:
            raise ValueError(f"node {name}: {error}") from None


class Plugin:
    """One node `LtpPrunedAttention`: its types and shapes for TensorRT, and its launch.

    Attributes:
        trt: the TensorRT module, whose interfaces `bases` the class implements.
        fatbin: the compiled kernels; None where engines are built but not run.
    """

    trt: Any
    bases: tuple[Any, ...]
    fatbin: Path | None

    def __init__(self, attributes: dict[str, Value]):
        for base in self.bases:
            base.__init__(self)
        self.plugin_name, self.plugin_version = NAME, VERSION
        self.plugin_namespace = NAMESPACE
        self.attributes = attributes
        self.carry = Carry(int(attributes["carry"]))
        self.outputs = OUTPUTS if self.carry is Carry.SURVIVORS else RESULTS
        self.num_outputs = len(self.outputs)
        self.fields = FieldCollection(self.trt, attributes)

    def get_capability_interface(self, kind: Any) -> Any:
        return self

    def clone(self) -> Any:
        return type(self)(self.attributes)

    def attach_to_context(self, context: Any) -> Any:
        if self.fatbin is not None:
            load_kernels(self._queue(0))
        return self.clone()

    def get_fields_to_serialize(self) -> Any:
        return self.fields.collection

    def get_output_data_types(self, inputs: Sequence[Any]) -> list[Any]:
        return [self._type(name) for name in self.outputs]

    def get_output_shapes(self, inputs: Any, shape_inputs: Any, expressions: Any) -> list[Any]:
        """The dimensions of the outputs, as expressions of those of the inputs."""
        rows, columns = inputs[_QKV]
        if not columns.is_constant():
            raise ValueError("the number of columns of qkv must be known when an engine is built")
        self.layer(columns.get_constant_value())
        carried = self._carried(rows, inputs[_LENGTHS][0], expressions)
        shapes = {
            "context": (carried, expressions.constant(columns.get_constant_value() // 3)),
            "kept": (carried,),
            "offsets_out": (inputs[_OFFSETS][0],),
            "alive_out": (carried,),
            "count": (),
        }
        return [self._dimensions(shapes[name]) for name in self.outputs]

    def _carried(self, rows: Any, sequences: Any, expressions: Any) -> Any:
        """The expression for how many rows are carried; `count` says it where data decide it."""
        if self.carry is Carry.FIRST:
            return sequences
        if self.carry is not Carry.SURVIVORS:
            return rows
        operations = self.trt.DimensionOperation
        share = expressions.constant(int(self.attributes[EXPECTED]))
        thousands = expressions.operation(operations.PROD, rows, share)
        usual = expressions.operation(operations.CEIL_DIV, thousands, expressions.constant(1000))
        return expressions.declare_size_tensor(self.outputs.index("count"), usual, rows)

    def _dimensions(self, shape: Sequence[Any]) -> Any:
        found = self.trt.DimsExprs(len(shape))
        for i, size in enumerate(shape):
            found[i] = size
        return found

    def supports_format_combination(self, position: int, tensors: Any, inputs: int) -> bool:
        found = tensors[position].desc
        wanted = self._type((*INPUTS, *self.outputs)[position])
        return bool(found.format == self.trt.TensorFormat.LINEAR and found.type == wanted)

    def _type(self, name: str) -> Any:
        """The data type of an input or output."""
        return self.trt.DataType.HALF if name in FLOATING else self.trt.DataType.INT32

    def get_valid_tactics(self) -> list[int]:
        return [1]  # there is none to choose by timing kernels on meaningless offsets

    def set_tactic(self, tactic: int) -> None: ...
    def configure_plugin(self, inputs: Any, outputs: Any) -> None: ...
    def on_shape_change(self, inputs: Any, outputs: Any) -> None: ...

    def get_workspace_size(self, inputs: Any, outputs: Any) -> int:
        """Bytes of scratch memory for the largest request that the engine accepts."""
        (rows, columns), (sequences,) = inputs[_QKV].max, inputs[_LENGTHS].max
        return workspace(self.layer(columns), rows, sequences).bytes

    def enqueue(
        self,
        input_desc: Any,
        output_desc: Any,
        inputs: Sequence[int],
        outputs: Sequence[int],
        scratch: int,
        stream: int,
    ) -> None:
        """Queue the kernels on a stream of the current device; tensors are device addresses."""
        queue = self._queue(stream)
        (rows, columns), (sequences,) = input_desc[_QKV].dims, input_desc[_LENGTHS].dims
        pointers = dict(zip(INPUTS, inputs, strict=True))
        pointers |= zip(self.outputs, outputs, strict=True)
        pruned_attention(self.layer(columns), rows, sequences, pointers, scratch, queue)

    def _queue(self, stream: int) -> Queue:
        """A stream of the current device."""
        assert self.fatbin is not None, "registered for building alone"
        return Queue(check(runtime().cudaGetDevice()), stream, self.fatbin)

    def layer(self, columns: int) -> Layer:
        """The layer whose qkv has this many columns.

        Raises:
            ValueError: they cannot be split among the heads.
        """
        given = self.attributes
        heads = int(given["heads"])
        size = columns // 3 // heads
        if size * 3 * heads != columns or size % 8 or not 0 < size <= MAX_HEAD_SIZE:
            raise ValueError(
                f"qkv has {columns} columns, but {heads} heads take 3 * {heads} * the head size, a "
                f"multiple of 8, at most {MAX_HEAD_SIZE}"
            )
        return Layer(
            heads=heads,
            head_size=size,
            rule=LayerRule(Mode(int(given["mode"])), given["threshold"]),
            score_length=int(given["score_length"]),
            keep_first=bool(given["keep_first"]),
            carry=self.carry,
        )
