"""Integer outputs that are added to a graph when it is loaded, in engines of any precision.

In a bf16 engine they are bf16 as well, and numbers come in digits. Behind outputs of another type
OpenVINO would compute in f32, from the last matrix product of its own on, which here is the
beginning: another speed and other answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_DIGITS = 3  # of base 256: bf16 holds integers exactly up to 256


def add_integers(
    model: Any, name: str, parts: Sequence[Any], activations: str, small: bool = False
) -> None:
    """Give an `ov.Model` one output more, in place.

    Args:
        parts: int32 outputs [N] of its nodes, with numbers from 0 to 2^24 - 1. They come out one
            after another: a copy for each would take longer.
        activations: the engine's, "f32" or "bf16".
        small: no number is above 256.
    """
    from openvino import opset13 as ops

    values = ops.concat(list(parts), 0)
    if activations == "bf16":
        values = ops.convert(values if small else _digits(values), "bf16")
    result = ops.result(values)
    result.output(0).get_tensor().set_names({name})
    model.add_results([result])


def read_integers(values: np.ndarray) -> np.ndarray:
    """[N] int64, what such an output holds."""
    if values.dtype == np.float16:  # NumPy has no bf16, and OpenVINO gives its bits as float16
        values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    found = values.astype(np.int64)
    if found.ndim == 2:
        found = (found << 8 * np.arange(_DIGITS)[:, None]).sum(0)
    return found


def _digits(values: Any) -> Any:
    """[3, N] int32: the digits of integers [N], the lowest first."""
    from openvino import opset13 as ops

    digits, axis = [], ops.constant(np.array([0], np.int32))
    for _ in range(_DIGITS):
        digits.append(ops.unsqueeze(ops.mod(values, np.int32(256)), axis))
        values = ops.divide(values, np.int32(256))
    return ops.concat(digits, 0)
