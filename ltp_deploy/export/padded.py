"""The front that packs: padded ids and a mask in, of which the engine sees no padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.export.graph import Front, parameter

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # as transformers' tokenizers name them


def padded_front(token_types: bool) -> Front:
    """Inputs [B, n] int64, padded on any side; the mask is 0 where there is padding.

    Args:
        token_types: whether there is an input for them; otherwise all are 0.
    """
    from openvino import opset13 as ops

    names = INPUTS if token_types else INPUTS[:2]
    inputs = [parameter((-1, -1), "i64", name) for name in names]
    ids, mask = inputs[:2]
    real = ops.not_equal(mask, np.int64(0))
    places = ops.transpose(ops.non_zero(real, "i64"), np.array([1, 0]))

    def tokens(padded: Any) -> Any:
        return ops.gather_nd(padded, places)

    lengths = ops.reduce_sum(ops.convert(real, "i64"), np.int64(1), False)
    packed = tokens(ids)
    types = tokens(inputs[2]) if token_types else ops.multiply(packed, np.int64(0))
    return Front(inputs, packed, types, lengths)
