"""The ops' meaning, as a CPU implementation in the TorchScript subset of Python.

The same source serves twice: eagerly as the implementation of the ops, and scripted
inside modules for the `torchscript` target, which must load where no custom op exists. TorchScript
reads `Mode.TOPK.value` as the integer itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ltp_deploy.model.policy import Carry, Mode


def survivors_of(
    score: Tensor,
    length: int,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
) -> Tensor:
    """Decide which of one sequence's alive tokens survive a layer.

    Args:
        score: [n] float32; each token's attention probability, summed over heads and over the rows
            of alive queries. Token 0 is the sequence's first.
        length: n_b, the sequence's original number of tokens.
        heads: number of attention heads.
        mode: a `Mode`.
        threshold: the rule's threshold, ratio or keep rate, by mode; see `LayerRule`.
        score_length: the denominator D in tokens, 0 for `length`; for `Mode.ABSOLUTE`.
        keep_first: the first token survives whatever its score is.

    Returns:
        [n] bool; True for survivors. A score equal to the threshold survives, and ties at a top-k
        rank go to the lower index.
    """
    n = score.shape[0]
    keep = torch.ones(n, dtype=torch.bool)
    if mode == Mode.ABSOLUTE.value:
        denominator = heads * (score_length if score_length > 0 else length)
        keep = torch.logical_not(score / denominator < threshold)
    elif mode == Mode.RELATIVE.value and threshold > 0.0:
        keep = torch.logical_not(score / score.max() < threshold)
    elif mode == Mode.TOPK.value and threshold != 1.0:
        rate = torch.tensor(threshold, dtype=torch.float32)
        k = min(n, int(torch.round(rate * length).item()))
        ranked = score.clone()
        if keep_first:
            ranked[0] = float("inf")
            k = max(k, 1)
        best = torch.sort(ranked, dim=0, descending=True, stable=True)[1]
        keep = torch.zeros(n, dtype=torch.bool)
        keep[best[:k]] = True
    if keep_first:
        keep[0] = True
    return keep


def packed_reference(
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
    """Attention over packed sequences that scores its tokens and prunes those below the threshold.

    T rows belong to B sequences of d values per token.

    Args:
        qkv: [T, 3d] float; each row holds a token's query, key and value, each of which is split
            into `heads` parts of equal size.
        offsets: [B+1] int32; sequence b has the rows offsets[b] .. offsets[b+1]-1. Rows after
            offsets[B], if any, are padding (see `Carry.BOUNDED`).
        alive: [T] int32; 0 marks the row of a token that an earlier layer pruned.
        lengths: [B] int32; the original number of tokens n_b of each sequence.
        heads: number of attention heads; d / heads is the head size.
        mode, threshold, score_length, keep_first: the layer's rule, see `PrunePolicy`.
        carry: which rows come out, see `Carry`.

    Returns:
        context [T', d], of qkv's type; kept [T'] int32, the input rows carried on, ascending;
        offsets_out [B+1] int32, of the rows carried on; alive_out [T'] int32.

    A sequence whose first token is pruned (possible only with `keep_first` false) is *finished*:
    no other token of it can reach the classifier any more. It carries its first row alone, not
    alive, whose context is zero from the next layer on.
    """
    hidden = qkv.shape[1] // 3
    size = hidden // heads
    context = torch.zeros(qkv.shape[0], hidden, dtype=qkv.dtype)
    alive_out = torch.zeros_like(alive)
    carried = torch.full_like(alive, 1 if carry == Carry.ALL.value else 0)
    for b in range(lengths.shape[0]):
        begin, end = int(offsets[b].item()), int(offsets[b + 1].item())
        if begin == end:
            continue
        carried[begin] = 1
        if int(alive[begin].item()) == 0:
            continue
        rows = torch.nonzero(alive[begin:end])[:, 0] + begin
        q, k, v = qkv[rows].reshape(-1, 3, heads, size).permute(1, 2, 0, 3).unbind(0)
        probability = torch.softmax(q @ k.transpose(1, 2) / float(size) ** 0.5, dim=-1)
        score = probability.sum(dim=1).sum(dim=0).to(torch.float32)
        length = int(lengths[b].item())
        keep = survivors_of(score, length, heads, mode, threshold, score_length, keep_first)
        wanted = keep.clone()
        wanted[0] = True  # needed even when pruned here: its own layer finishes normally
        if not bool(keep[0].item()):
            keep = torch.zeros_like(keep)
            wanted[1:] = False
        kept_rows = rows[keep]
        if carry == Carry.FIRST.value:
            wanted[1:] = False
        elif carry != Carry.ALL.value:
            carried[kept_rows] = 1
        alive_out[kept_rows] = 1
        attended = (probability[:, wanted] @ v).transpose(0, 1).reshape(-1, hidden)
        context[rows[wanted]] = attended
    kept = torch.nonzero(carried)[:, 0]
    total = torch.nn.functional.pad(torch.cumsum(carried, 0), (1, 0))
    offsets_out = total[offsets.to(torch.int64)].to(torch.int32)
    rows, alive_rows = context[kept], alive_out[kept]
    if carry == Carry.BOUNDED.value:  # T' = T: the padding is zero, not alive, and stands for row 0
        missing = qkv.shape[0] - kept.shape[0]
        rows = torch.nn.functional.pad(rows, (0, 0, 0, missing))
        kept = torch.nn.functional.pad(kept, (0, missing))
        alive_rows = torch.nn.functional.pad(alive_rows, (0, missing))
    return rows, kept.to(torch.int32), offsets_out, alive_rows


def summed_reference(x: Tensor, offsets: Tensor) -> Tensor:
    """The sum over each sequence's rows.

    A sequence's sum is the same whatever the others are, to the last bit.

    Args:
        x: [T, d] float32.
        offsets: [B+1] int32; sequence b has the rows offsets[b] .. offsets[b+1]-1, and T is
            offsets[B].

    Returns:
        [B, d] float32.
    """
    rows = torch.arange(x.shape[0], dtype=offsets.dtype)
    return torch.embedding_bag(x, rows, offsets, False, 0, False, None, True)[0]
