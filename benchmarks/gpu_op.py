"""The op on CUDA tensors against its reference."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

import torch
from gpu_run import Budget, Row

import ltp_deploy.backends.torch_cuda.op  # noqa: F401  the kernels, for CUDA tensors
from ltp_deploy.backends.torch_cuda import queue
from ltp_deploy.model.policy import Carry, Mode

CONTEXT = 5e-3  # largest difference of a context from that of the same halves in f32
RULES = (
    (Mode.NONE, 0.0),
    (Mode.ABSOLUTE, 0.9),
    (Mode.RELATIVE, 0.5),
    (Mode.TOPK, 0.5),
)  # a threshold of ABSOLUTE is a share of the mean score


def check_op(device: str, rounds: int, budget: Budget) -> Row:
    """Compare random calls of the op, with every rule and carry, with the reference in f32.

    Each call runs in a thread of its own. Rows that only one of the two keeps are taken for ties
    (a score within rounding of its threshold) as long as they are fewer than one in fifty. Every
    run has another seed; the `seed` in the result repeats it.
    """
    seed = time.time_ns() % 2**31
    generator = torch.Generator().manual_seed(seed)
    # The reference has no row for the first token of a sequence without any, which kernels have.
    least = 1 if device == "cpu" else 0
    calls = wrong = rows = ties = 0
    worst = 0.0
    for done in range(rounds):
        if not budget.allows(f"{rounds - done} of {rounds} rounds"):
            break
        lengths = torch.randint(least, 200, (6,), generator=generator).tolist()
        heads = [1, 4, 12][calls % 3]
        size = [64, 32, 128, 8, 40][calls % 5]
        total = sum(lengths)
        qkv = torch.randn(total, 3 * heads * size, generator=generator).half()
        offsets = torch.tensor([sum(lengths[:i]) for i in range(7)], dtype=torch.int32)
        alive = (torch.rand(total, generator=generator) > 0.2).int()
        alive[offsets[:-1][offsets[:-1] < total].long()] = 1
        given = (qkv, offsets, alive, offsets[1:] - offsets[:-1])
        for mode, share in RULES:
            threshold = share / 128 if mode is Mode.ABSOLUTE else share
            for carry in Carry:
                rule = (heads, int(mode), threshold, 128, True, int(carry))
                op = torch.ops.ltp.pruned_attention
                on_device = [x.to(device) for x in given]
                with ThreadPoolExecutor(1) as thread:  # a new one, without a CUDA context yet
                    found = [x.cpu() for x in thread.submit(op, *on_device, *rule).result()]
                wanted = op(qkv.float(), *given[1:], *rule)
                calls += 1
                difference, differing = _difference(found, wanted, carry, lengths)
                rows += total
                ties += differing
                worst = max(worst, difference)
                wrong += not difference <= CONTEXT
    return {
        "seed": seed,
        "calls": calls,
        "rows": rows,
        "rows_decided_otherwise": ties,
        "largest_context_difference": worst,
        "passed": wrong == 0 and ties * 50 <= rows if calls else None,
    }


def launching(file: Path) -> AbstractContextManager[object]:
    """Have PyTorch's tensors taken by the kernels of a file, in place of those of this machine."""
    return mock.patch.object(queue, "kernels", return_value=file)


def _difference(
    found: list[torch.Tensor], wanted: tuple[torch.Tensor, ...], carry: Carry, lengths: list[int]
) -> tuple[float, int]:
    """(largest difference of the context of rows that are alive in both, number of rows that are
    alive in only one); the difference is infinite if the results are malformed."""
    context, kept, offsets, alive = found
    if carry is Carry.FIRST:
        real = torch.tensor([n > 0 for n in lengths])
        context, kept, alive = context[real], kept[real], alive[real]
    elif len(kept) < int(offsets[-1]):
        return float("inf"), 0
    result = {int(kept[i]): context[i].float() for i in torch.nonzero(alive)[:, 0].tolist()}
    reference = {int(wanted[1][i]): wanted[0][i] for i in torch.nonzero(wanted[3])[:, 0].tolist()}
    both = result.keys() & reference.keys()
    worst = max((float((result[i] - reference[i]).abs().max()) for i in both), default=0.0)
    if any(not torch.isfinite(x).all() for x in result.values()):
        worst = float("inf")
    return worst, len(result.keys() ^ reference.keys())
