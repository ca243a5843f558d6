"""The packed operators, as torch.library custom ops.

`ltp::pruned_attention` is the one that the project exists for. Its CPU implementation is the
reference, which also says what it means; the kernels in `plugins/` implement the same, and every
backend is tested against it. `ltp::segment_sum` sums each sequence's rows, for means over tokens;
backends have operators of their own for it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.model.reference import packed_reference, summed_reference

pruned_attention = torch.library.custom_op(
    "ltp::pruned_attention", packed_reference, mutates_args=()
)

segment_sum = torch.library.custom_op("ltp::segment_sum", summed_reference, mutates_args=())


@segment_sum.register_fake
def _(x: Tensor, offsets: Tensor) -> Tensor:
    """The result's shape alone."""
    return x.new_empty(offsets.shape[0] - 1, x.shape[1])


@pruned_attention.register_fake
def _(
    qkv: Tensor, offsets: Tensor, alive: Tensor, *others: object
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Shapes of the results alone; how many rows are carried depends on the data."""
    rows = torch.library.get_ctx().new_dynamic_size()
    return (
        qkv.new_empty(rows, qkv.shape[1] // 3),
        offsets.new_empty(rows),
        torch.empty_like(offsets),
        alive.new_empty(rows),
    )
