"""The op's CPU reference, written in the TorchScript subset of Python.

The same source therefore serves twice: eagerly as the meaning of `ltp::pruned_attention`, and
scripted inside modules for the `torchscript` target, which must load where no custom op exists.
"""

from __future__ import annotations

import torch
from torch import Tensor


def survivors_of(
    score: Tensor,
    length: int,
    heads: int,
    mode: int,
    threshold: float,
    score_length: int,
    keep_first: bool,
) -> Tensor:
    """Decide which tokens of one sequence survive.

    Args:
        score: [n] float32; the sum over heads and alive query rows of attention probabilities.
        length: n_b, the sequence's original token count.

    Returns:
        [n] bool; True for survivors. Ties at a top-k rank go to the lower index.
    """
    n = score.shape[0]
    keep = torch.ones(n, dtype=torch.bool)
    if mode == 1:  # absolute
        denominator = heads * (score_length if score_length > 0 else length)
        keep = torch.logical_not(score / denominator < threshold)
    elif mode == 2 and threshold > 0.0:  # relative
        keep = torch.logical_not(score / score.max() < threshold)
    elif mode == 3 and threshold != 1.0:  # top-k
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
    """See `ltp_deploy.model.op.pruned_attention` for the contract."""
    hidden = qkv.shape[1] // 3
    size = hidden // heads
    context = torch.zeros(qkv.shape[0], hidden, dtype=qkv.dtype)
    alive_out = torch.zeros_like(alive)
    carried = torch.full_like(alive, 1 if carry == 0 else 0)
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
        if carry == 2:
            wanted[1:] = False
        elif carry != 0:
            carried[kept_rows] = 1
        alive_out[kept_rows] = 1
        attended = (probability[:, wanted] @ v).transpose(0, 1).reshape(-1, hidden)
        context[rows[wanted]] = attended
    kept = torch.nonzero(carried)[:, 0]
    total = torch.nn.functional.pad(torch.cumsum(carried, 0), (1, 0))
    offsets_out = total[offsets.to(torch.int64)].to(torch.int32)
    rows, alive_rows = context[kept], alive_out[kept]
    if carry == 3:  # as many rows as came in: the others are zero, dead, and stand for row 0
        missing = qkv.shape[0] - kept.shape[0]
        rows = torch.nn.functional.pad(rows, (0, 0, 0, missing))
        kept = torch.nn.functional.pad(kept, (0, missing))
        alive_rows = torch.nn.functional.pad(alive_rows, (0, missing))
    return rows, kept.to(torch.int32), offsets_out, alive_rows
