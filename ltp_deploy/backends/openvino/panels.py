"""How the weights of a linear layer lie in memory, as plugins/openvino/panels.h says.

It is the same for every instruction set, so that an engine's weights are read from the file, where
they are mapped.
"""

from __future__ import annotations

import numpy as np

COLUMNS = 32  # of a panel
_STEPS = {"f32": 1, "bf16": 2, "i8": 4}  # values of a column that lie side by side
_DEPTHS = {"f32": 1, "bf16": 32, "i8": 64}  # the depth is filled up to a multiple of it


def padded_depth(depth: int, kind: str) -> int:
    """The depth of a panel of weights of a kind: "f32", "bf16" or "i8"."""
    return -(-depth // _DEPTHS[kind]) * _DEPTHS[kind]


def packed(
    weight: np.ndarray, bias: np.ndarray, kind: str, scales: np.ndarray | None = None
) -> np.ndarray:
    """Pack a weight matrix W and its bias.

    Args:
        weight: [columns, depth], f32 for "f32" and "bf16", int8 for "i8".
        bias: [columns] f32.
        scales: [columns] f32, what the values of "i8" are multiplied with.

    Returns:
        uint8 [panels, bytes of a panel].
    """
    columns, depth = weight.shape
    panels, step = -(-columns // COLUMNS), _STEPS[kind]
    values = np.zeros((panels * COLUMNS, padded_depth(depth, kind)), weight.dtype)
    values[:columns, :depth] = weight
    steps = values.reshape(panels, COLUMNS, -1, step).transpose(0, 2, 1, 3)
    vectors = [bias]
    if scales is not None:
        vectors += [weight.sum(1, dtype=np.int32), scales]
    steps = to_bf16(steps) if kind == "bf16" else steps
    parts = [np.ascontiguousarray(steps).reshape(panels, -1).view(np.uint8)]
    for vector in vectors:
        filled = np.zeros(panels * COLUMNS, vector.dtype)
        filled[:columns] = vector
        parts.append(filled.reshape(panels, -1).view(np.uint8))
    return np.concatenate(parts, 1)


def to_bf16(values: np.ndarray) -> np.ndarray:
    """The bits (uint16) of the nearest bfloat16 to each f32 value, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)
    kept = np.where(np.isnan(values), bits | np.uint32(0x400000), rounded)
    return (kept >> 16).astype(np.uint16)
