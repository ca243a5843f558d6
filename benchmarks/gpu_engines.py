"""Whole engines against the oracle."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from gpu_run import Budget, Row

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.heads import head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import Carry
from ltp_deploy.parity.compare import compare_logits, compare_survivors
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.runtime.engine import Engine, load

LOGITS = 0.01  # relative to the largest logit, where survivors agree
PLANS = ("auto", "all", "bounded", "none")


def check_engines(
    checkpoint: Path,
    options: BuildOptions,
    plans: Sequence[str],
    portable: bool,
    budget: Budget,
) -> list[Row]:
    """Compare bundles with every kind of plan with the oracle.

    Each request runs four times: twice kernel by kernel, then replayed; replays must agree to the
    last bit. The first request comes from another thread than the one that loaded the engine.

    Args:
        options: of the builds, but for the plan and the survivors.
        plans: values of `compact`.
        portable: run them on the CPU.
    """
    encoder = load_encoder(checkpoint)
    batch = _random_batch(encoder)
    oracle = run_oracle(encoder, batch)
    results = []
    head, tie = head_of(encoder.config), TOLERANCES["fp16"].tie
    allowed = LOGITS * float(np.abs(oracle.logits).max())
    with tempfile.TemporaryDirectory() as folder:
        for compact in plans:
            if not budget.allows(f"{checkpoint.name}, plan {compact}"):
                continue
            # The second engine computes the last layer's first rows alone.
            reporting, plain = (
                _engine(
                    checkpoint,
                    Path(folder) / f"{compact}-{survivors}",
                    replace(options, compact=compact, survivors=survivors),
                    portable,
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
                    "checkpoint": checkpoint.name,
                    "plan": compact,
                    "compacts_after": [
                        i for i, c in enumerate(plain.carries) if c is Carry.SURVIVORS
                    ],
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


def _engine(checkpoint: Path, folder: Path, options: BuildOptions, portable: bool) -> Engine:
    build(checkpoint, folder, options)
    return load(folder, portable=portable)


def _run(engine: Engine, batch: PackedBatch) -> tuple[np.ndarray, list[list[np.ndarray]], bool]:
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
