"""The fields of a `LtpPrunedAttention` node: an ONNX node's attributes, and what an engine stores.

They are checked as in `plugins/tensorrt/fields.cpp`, with the same messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.model.signature import ATTRIBUTES, EXPECTED, FLOATS, INTEGERS

Value = int | float

# In the order in which engines store them.
TYPES: dict[str, type[np.int32] | type[np.float32]] = {
    **dict.fromkeys(INTEGERS, np.int32),
    **dict.fromkeys(FLOATS, np.float32),
    EXPECTED: np.int32,
}

_LARGEST = int(np.iinfo(np.int32).max)
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_LIMITS: dict[str, tuple[int, int]] = {
    "heads": (1, _LARGEST),
    "mode": (min(Mode), max(Mode)),
    "score_length": (0, _LARGEST),
    "keep_first": (0, 1),
    "carry": (min(Carry), max(Carry)),
    EXPECTED: (1, 1000),
}


def parse_fields(given: Iterable[Any]) -> dict[str, Value]:
    """The attributes of a node by name, from TensorRT's plugin fields.

    Args:
        given: objects with `name` and `data`, an array; other names than the op's are ignored.

    Raises:
        ValueError: which field is wrong, what was found and what is allowed.
    """
    found = {field.name: np.ravel(field.data) for field in given}
    values: dict[str, Value] = {}
    for name in TYPES:
        values[name] = _parse(name, found.get(name), _limits(name, values))
    kinds = {**ATTRIBUTES, EXPECTED: int}
    return {name: kind(values[name]) for name, kind in kinds.items()}


def _limits(name: str, values: Mapping[str, Value]) -> tuple[Value, Value]:
    """The least and the greatest value of a field; a threshold's depend on the mode before it."""
    if name != "threshold":
        return _LIMITS[name]
    rate = values["mode"] == Mode.TOPK
    return (0.0, 1.0) if rate else (-_LARGEST_FLOAT, _LARGEST_FLOAT)


def _parse(name: str, data: np.ndarray | None, limits: tuple[Value, Value]) -> Value:
    kind, (least, greatest) = np.dtype(TYPES[name]), limits
    if data is None:
        found = "is missing"
    elif data.dtype != kind or len(data) != 1:
        found = f"holds {len(data)} of {data.dtype}"
    else:
        value: Value = data[0].item()
        if least <= value <= greatest:  # false for a NaN
            return value
        found = f"is {_text(value)}"
    raise ValueError(
        f"field `{name}` {found}; it takes one {kind} from {_text(least)} to {_text(greatest)}"
    )


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(int(value))


class FieldCollection:
    """Fields in TensorRT's form, with the arrays that its collection only points to.

    Args:
        trt: the module tensorrt or tensorrt_rtx.
        values: attributes by name; None for names and types alone.
    """

    def __init__(self, trt: Any, values: Mapping[str, Value] | None = None):
        kinds = {np.int32: trt.PluginFieldType.INT32, np.float32: trt.PluginFieldType.FLOAT32}
        self._arrays = {
            name: np.array([] if values is None else [values[name]], kind)
            for name, kind in TYPES.items()
        }
        self._fields = [
            trt.PluginField(name, array, kinds[TYPES[name]]) for name, array in self._arrays.items()
        ]
        self.collection = trt.PluginFieldCollection(self._fields)
