"""One benchmark: every runner on every case, interleaved."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.table import find_backend
from ltp_deploy.benchmark.baselines import BASELINES, BaselineRequest
from ltp_deploy.benchmark.ours import OURS, UNPRUNED, our_runner, unpruned_runner
from ltp_deploy.benchmark.results import Benchmark, CaseResult, RunnerResult
from ltp_deploy.benchmark.runner import Layout, Runner
from ltp_deploy.benchmark.work import multiply_adds
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.hardware.timing import Timings, interleave
from ltp_deploy.heads import Head, head_of
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.tolerances import TOLERANCES
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.verification.source import load_source


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
    """Measure `engine`, and all baselines where its source checkpoint is given.

    Raises:
        LtpError: the checkpoint is not the bundle's, a peer is not available, or there are no
            baselines for this kind of engine.
    """
    runners = [our_runner(engine)]
    encoder: Encoder | None = None
    with tempfile.TemporaryDirectory() as folder:
        if checkpoint is not None:
            encoder = load_source(engine, checkpoint).with_policy(engine.config.policy)
            runners.append(unpruned_runner(engine, encoder, Path(folder), options.threads))
            runners += _baselines(engine, encoder, checkpoint, cases, options)
        results = [_measure(engine, encoder, runners, case, options) for case in cases]
    precision = engine.manifest.precision
    tolerance = TOLERANCES[precision].baseline
    return Benchmark(
        bundle=str(engine.directory),
        bundle_sha256=engine.digest,
        target=engine.manifest.target,
        precision=precision,
        pruning=engine.pruning,
        machine=describe_machine(),
        cases=results,
        warnings=[w for case in results if (w := _warning(case, tolerance))],
    )


def _baselines(
    engine: Engine, encoder: Encoder, checkpoint: Path, cases: Sequence[Case], options: Options
) -> list[Runner]:
    manifest = engine.manifest
    found = find_backend(manifest.backend).baselines(manifest)
    if found is None:
        raise LtpError(
            f"there is no dense baseline for an engine of {manifest.target}; without --against "
            "the engine alone is timed"
        )
    library, device = found
    request = BaselineRequest(
        engine=engine,
        checkpoint=checkpoint,
        encoder=encoder,
        precision=manifest.precision,
        activations=manifest.activations,
        device=device,
        peers=options.peers,
        threads=options.threads,
        samples=[r.select([i]) for c in cases for r in c.requests for i in range(r.sequences)],
    )
    return BASELINES[library](request)


def _measure(
    engine: Engine, encoder: Encoder | None, runners: list[Runner], case: Case, options: Options
) -> CaseResult:
    config = engine.config
    if all(request.sequences == 1 for request in case.requests):  # one by one already
        runners = [runner for runner in runners if runner.layout is not Layout.ONE_BY_ONE]
    calls = {r.name: [r.prepare(request, config) for request in case.requests] for r in runners}
    answers = {name: np.concatenate([call() for call in row]) for name, row in calls.items()}
    settle = max(runner.settle for runner in runners)
    timings = interleave(calls, options.seconds, options.iterations, settle, case.name)
    lengths = case.lengths
    facts: dict[str, Any] = {}
    work: dict[str, float] = {}
    if encoder is not None:
        profile = survivors(encoder, case)
        work = {r.name: multiply_adds(r, case, config, profile) for r in runners}
        dense = next(answers[r.name] for r in runners if r.layout is Layout.PADDED)
        facts = {
            "flops_ratio_authors": authors_ratio(config, profile.alive),
            "same_predictions": same_predictions(head_of(config), answers[OURS], dense),
            "baseline_difference": difference(answers[UNPRUNED], dense),
        }
    ours = timings[OURS]
    return CaseResult(
        name=case.name,
        requests=len(case.requests),
        sequences=len(lengths),
        tokens=int(lengths.sum()),
        padding=case.padding,
        runners=[_result(name, t, ours, lengths, work) for name, t in timings.items()],
        **facts,
    )


def _result(
    name: str, timings: Timings, ours: Timings, lengths: np.ndarray, work: dict[str, float]
) -> RunnerResult:
    return RunnerResult(
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
    """Which tokens survive, by the oracle, for every sequence of the case in order."""
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


def same_predictions(head: Head, ours: np.ndarray, theirs: np.ndarray) -> float | None:
    """Share of sequences with equal answers; None where answers are values."""
    changed = head.changed(theirs, ours)
    return None if changed is None else float(1 - changed.mean())


def _warning(case: CaseResult, tolerance: float) -> str | None:
    found = case.baseline_difference
    if found is None or found <= tolerance:
        return None
    return (
        f"{case.name}: the dense baseline is not the same model as this bundle without pruning: "
        f"their logits differ by {100 * found:.3g} % of the largest, allowed are "
        f"{100 * tolerance:g} %; the ratios compare unlike things"
    )
