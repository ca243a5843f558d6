"""The op on CUDA tensors against its reference, and whole engines against the oracle."""

from __future__ import annotations

import math
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ltp_deploy.backends.torch_cuda.op  # noqa: F401  the kernels, for CUDA tensors
from ltp_deploy.backends.torch_cuda import TorchCudaEngine
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.heads import head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.parity.compare import compare_logits, compare_survivors
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.runtime.engine import Engine, load

CONTEXT = 5e-3  # largest difference of a context from that of the same halves in f32
LOGITS = 0.01  # relative to the largest logit, where survivors agree
PLANS = ("auto", "all", "bounded", "none")
RULES = (
    (Mode.NONE, 0.0),
    (Mode.ABSOLUTE, 0.9),
    (Mode.RELATIVE, 0.5),
    (Mode.TOPK, 0.5),
)  # a threshold of ABSOLUTE is a share of the mean score


def check_op(device: str, rounds: int) -> dict[str, Any]:
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
    for _ in range(rounds):
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
        "passed": wrong == 0 and ties * 50 <= rows,
    }


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


def check_engines(checkpoint: Path, device: str) -> list[dict[str, Any]]:
    """Compare bundles with every kind of plan with the oracle.

    Each request runs four times: twice kernel by kernel, then replayed; replays must agree to the
    last bit. The first request comes from another thread than the one that loaded the engine.
    """
    encoder = load_encoder(checkpoint)
    batch = _random_batch(encoder)
    oracle = run_oracle(encoder, batch)
    results = []
    head, tie = head_of(encoder.config), TOLERANCES["fp16"].tie
    allowed = LOGITS * float(np.abs(oracle.logits).max())
    with tempfile.TemporaryDirectory() as folder:
        for compact in PLANS:
            # The second engine computes the last layer's first rows alone.
            reporting, plain = (
                _engine(
                    checkpoint, Path(folder) / f"{compact}-{survivors}", compact, survivors, device
                )
                for survivors in (True, False)
            )
            logits, survivors, same = _run(reporting, batch)
            who = compare_survivors(oracle.survivors, survivors, oracle.margins, tie)
            what = compare_logits(head, oracle.logits, logits, who)
            logits, _, same_again = _run(plain, batch)
            first_rows = compare_logits(head, oracle.logits, logits, who)
            certain = what.max_without_ties, first_rows.max_without_ties
            worst = max((found for found in certain if found is not None), default=math.inf)
            results.append(
                {
                    "plan": compact,
                    "segments": len(plain.manifest.record(TorchCudaEngine).segments),
                    "sequences": batch.sequences,
                    "survivors_agree": who.agreement,
                    "sequences_that_differ": len(who.differences),
                    "disagreements": len(who.disagreements),
                    "largest_logit_difference": max(what.max, first_rows.max),
                    "without_ties": worst,
                    "flips": max(what.flips or 0, first_rows.flips or 0),
                    "replays_are_the_same": same and same_again,
                    "passed": same and same_again and not who.disagreements and worst <= allowed,
                }
            )
    return results


def _engine(checkpoint: Path, folder: Path, compact: str, survivors: bool, device: str) -> Engine:
    build(checkpoint, folder, BuildOptions("torch-cuda", survivors=survivors, compact=compact))
    return load(folder, portable=device == "cpu")


def _run(engine: Engine, batch: PackedBatch) -> tuple[np.ndarray, list[Any], bool]:
    """(logits [N, labels], survivors [N][layer], whether replays are the same)."""
    logits, survivors, same = [], [], True
    size = engine.limits.max_batch
    first = batch.select([0])
    engine.submit(ids=first.input_ids, offsets=first.offsets).result()
    for start in range(0, batch.sequences, size):
        request = batch.select(range(start, min(start + size, batch.sequences)))
        runs = [engine.run(request) for _ in range(4)]
        same &= np.array_equal(runs[2].logits, runs[3].logits)
        logits.append(runs[-1].logits)
        survivors += runs[-1].survivors or []
    return np.concatenate(logits), survivors, same


def _random_batch(encoder: Encoder) -> PackedBatch:
    rng = np.random.default_rng(0)
    longest = encoder.config.max_length
    lengths = [min(n, longest) for n in (1, 2, 17, 64, 65, 128, 200, 384, 33, 90, 7, 128)]
    return pack([rng.integers(5, encoder.config.vocab_size, n) for n in lengths])
