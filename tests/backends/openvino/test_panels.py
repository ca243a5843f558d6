"""The packed weights against a program that follows the layout's description value by value."""

from __future__ import annotations

import numpy as np
import pytest

from ltp_deploy.backends.openvino.panels import packed, padded_depth, to_bf16

VALUES = {"f32": np.float32, "bf16": np.uint16, "i8": np.int8}
STEPS = {"f32": 1, "bf16": 2, "i8": 4}


@pytest.mark.parametrize("kind", ["f32", "bf16", "i8"])
@pytest.mark.parametrize(("columns", "depth"), [(32, 64), (33, 70), (1, 1), (95, 129)])
def test_each_value_is_where_the_layout_says(kind: str, columns: int, depth: int) -> None:
    random = np.random.default_rng(columns)
    bias = random.standard_normal(columns).astype(np.float32)
    scales = None
    if kind == "i8":
        weight = random.integers(-127, 128, (columns, depth)).astype(np.int8)
        scales = random.random(columns).astype(np.float32)
    else:
        weight = random.standard_normal((columns, depth)).astype(np.float32)
    panels = packed(weight, bias, kind, scales)
    assert panels.dtype == np.uint8

    stored = to_bf16(weight) if kind == "bf16" else weight
    step, filled = STEPS[kind], padded_depth(depth, kind)
    size = filled * 32 * np.dtype(VALUES[kind]).itemsize
    values = np.ascontiguousarray(panels[:, :size]).view(VALUES[kind])
    after = np.ascontiguousarray(panels[:, size:])
    for column in range(len(panels) * 32):
        panel, c = divmod(column, 32)
        for k in range(filled):
            found = values[panel, (k // step * 32 + c) * step + k % step]
            assert found == (stored[column, k] if column < columns and k < depth else 0)
        there = column < columns
        assert after[panel].view(np.float32)[c] == (bias[column] if there else 0)
        if scales is not None:
            sums = weight[column].astype(int).sum() if there else 0
            assert after[panel].view(np.int32)[32 + c] == sums
            assert after[panel].view(np.float32)[64 + c] == (scales[column] if there else 0)


def test_bf16_is_the_nearest() -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal(10000).astype(np.float32)
    values[:6] = [0.0, -0.0, np.inf, -np.inf, 3.4e38, 1 + 2**-8]  # the last one lies between two
    expected = torch.tensor(values).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(to_bf16(values), expected)
    nan = (to_bf16(np.array([np.nan], np.float32)).astype(np.uint32) << 16).view(np.float32)
    assert np.isnan(nan).all()
