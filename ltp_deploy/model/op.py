"""`ltp::pruned_attention`: the packed op, as a torch.library custom op.

The whole project has one op. Its CPU implementation is the reference, which also says what it
means; the kernels in `plugins/` implement the same, and every backend is tested against it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.model.reference import packed_reference

pruned_attention = torch.library.custom_op(
    "ltp::pruned_attention", packed_reference, mutates_args=()
)


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
