"""One benchmark: every side on every case, interleaved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.benchmark.engines import (
    OURS,
    UNPRUNED,
    baselines,
    our_side,
    unpruned_side,
)
from ltp_deploy.benchmark.results import Benchmark, CaseResult, SideResult
from ltp_deploy.benchmark.sides import Layout, Side
from ltp_deploy.benchmark.timing import Timings, interleave
from ltp_deploy.benchmark.work import multiply_adds
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.verification.source import load_source

# How far the unpruned engine and the dense baseline may differ, relative to the largest logit.
SAME = {"f32": 1e-3, "fp16": 0.05, "bf16": 0.1, "int8-dynamic": 0.3, "int8": 0.3}


@dataclass(frozen=True)
class Options:
    """How long to measure and against whom; `peers` are names in `peers.PEERS`."""

    seconds: float = 10.0
    iterations: int | None = None
    threads: int | None = None
    peers: tuple[str, ...] = ()


def run(
    engine: Engine, cases: Sequence[Case], checkpoint: Path | None, options: Options
) -> Benchmark:
    """Measure `engine`, and beside it all baselines where its source checkpoint is given.

    Raises:
        LtpError: the checkpoint is not the bundle's, a peer is not available, or there are no
            baselines for this kind of engine.
    """
    sides = [our_side(engine)]
    encoder: Encoder | None = None
    with tempfile.TemporaryDirectory() as folder:
        if checkpoint is not None:
            encoder = load_source(engine, checkpoint).with_policy(engine.config.policy)
            sides.append(unpruned_side(engine, encoder, Path(folder), options.threads))
            sequences = [
                r.select([i]) for c in cases for r in c.requests for i in range(r.sequences)
            ]
            sides += baselines(
                engine, checkpoint, encoder, options.peers, options.threads, sequences
            )
        results = [_measure(engine, encoder, sides, case, options) for case in cases]
    precision = engine.manifest["precision"]
    return Benchmark(
        bundle=str(engine.directory),
        target=engine.manifest["target"],
        precision=precision,
        machine=describe_machine(),
        cases=results,
        warnings=[w for case in results if (w := _warning(case, SAME.get(precision, 0.0)))],
    )


def _measure(
    engine: Engine, encoder: Encoder | None, sides: list[Side], case: Case, options: Options
) -> CaseResult:
    config = engine.config
    if all(request.sequences == 1 for request in case.requests):  # one by one already
        sides = [side for side in sides if side.layout is not Layout.ONE_BY_ONE]
    calls = {s.name: [s.prepare(request, config) for request in case.requests] for s in sides}
    answers = {name: np.concatenate([call() for call in row]) for name, row in calls.items()}
    settle = max(side.settle for side in sides)
    timings = interleave(calls, options.seconds, options.iterations, settle, case.name)
    lengths = case.lengths
    facts: dict[str, Any] = {}
    work: dict[str, float] = {}
    if encoder is not None:
        profile = survivors(encoder, case)
        work = {side.name: multiply_adds(side, case, config, profile) for side in sides}
        dense = next(answers[side.name] for side in sides if side.layout is Layout.PADDED)
        facts = {
            "flops_ratio_authors": authors_ratio(config, profile.alive),
            "same_predictions": same_predictions(answers[OURS], dense),
            "baseline_difference": difference(answers[UNPRUNED], dense),
        }
    ours = timings[OURS]
    return CaseResult(
        name=case.name,
        requests=len(case.requests),
        sequences=len(lengths),
        tokens=int(lengths.sum()),
        padding=case.padding,
        sides=[_side_result(name, t, ours, lengths, work) for name, t in timings.items()],
        **facts,
    )


def _side_result(
    name: str, timings: Timings, ours: Timings, lengths: np.ndarray, work: dict[str, float]
) -> SideResult:
    return SideResult(
        name=name,
        samples=sum(map(len, timings.samples)),
        p50_ms=1e3 * timings.percentile(50),
        p90_ms=1e3 * timings.percentile(90),
        p99_ms=1e3 * timings.percentile(99),
        sequences_per_s=len(lengths) / timings.total,
        tokens_per_s=int(lengths.sum()) / timings.total,
        time_ratio=timings.total / ours.total,
        flops_ratio=work[name] / work[OURS] if work else None,
    )


def survivors(encoder: Encoder, case: Case) -> SurvivorProfile:
    """Who survives, by the oracle, for every sequence of the case in order."""
    from ltp_deploy.parity.oracle_run import run_oracle

    profiles = [
        run_oracle(encoder, request, title="survivors").profile for request in case.requests
    ]
    return SurvivorProfile(
        np.concatenate([p.alive for p in profiles]), np.concatenate([p.finished for p in profiles])
    )


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference of logits [N, labels], relative to the largest of `theirs`."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def same_predictions(ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """Share of equal classes; None for regression, which has none."""
    if theirs.shape[1] == 1:
        return None
    return float((ours.argmax(1) == theirs.argmax(1)).mean())


def _warning(case: CaseResult, tolerance: float) -> str | None:
    found = case.baseline_difference
    if found is None or found <= tolerance:
        return None
    return (
        f"{case.name}: the dense baseline is not the same model as this bundle without pruning: "
        f"their logits differ by {100 * found:.3g} % of the largest, allowed are "
        f"{100 * tolerance:g} %; the ratios compare unlike things"
    )
