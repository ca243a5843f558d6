"""`ltp::pruned_attention`: the packed op, as a torch.library custom op with its CPU reference.

The whole project has one op. The C++ and CUDA kernels in `plugins/` implement what
`packed_reference` says, and every backend is tested against it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.model.reference import packed_reference


@torch.library.custom_op("ltp::pruned_attention", mutates_args=())
def pruned_attention(
    qkv: Tensor,
    offsets: Tensor,
    alive: Tensor,
    lengths: Tensor,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
    carry: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Attention over packed sequences that scores its tokens and drops those it prunes.

    Args:
        qkv: [T, 3d] float; queries, keys and values side by side, heads innermost-but-one.
        offsets: [B+1] int32; sequence b owns rows offsets[b] .. offsets[b+1]-1. Rows behind
            offsets[B], if any, are nobody's (see `Carry.BOUNDED`).
        alive: [T] int32; 0 marks a row that an earlier layer pruned but did not remove.
        lengths: [B] int32; the original number of tokens n_b of each sequence.
        heads: number of attention heads; d / heads is the head size.
        mode, threshold, score_length, keep_first: the layer's rule, see `PrunePolicy`.
        carry: which rows come out, see `Carry`.

    Returns:
        context [T', d]; kept [T'] int32, the input rows carried on, ascending; offsets [B+1]
        int32 of the carried rows; alive [T'] int32.

    A sequence whose first row is pruned (possible only with `keep_first` false) is *finished*:
    no other token of it can reach the classifier any more. It carries its first row alone, dead,
    whose context is zero from the next layer on.
    """
    return packed_reference(
        qkv, offsets, alive, lengths, heads, mode, threshold, score_length, keep_first, carry
    )


@pruned_attention.register_fake
def _(qkv, offsets, alive, lengths, heads, mode, threshold, score_length, keep_first, carry):
    rows = torch.library.get_ctx().new_dynamic_size()
    return (
        qkv.new_empty(rows, qkv.shape[1] // 3),
        offsets.new_empty(rows),
        torch.empty_like(offsets),
        alive.new_empty(rows),
    )
