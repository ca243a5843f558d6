"""The result of `bench` as text."""

from __future__ import annotations

from ltp_deploy.benchmark.results import Benchmark, CaseResult, RunnerResult
from ltp_deploy.report.table import table

HEADERS = ["runner", "p50 ms", "p90 ms", "p99 ms", "sequences/s", "tokens/s", "time", "FLOPs"]


def describe(result: Benchmark) -> str:
    """A table per case, then warnings."""
    machine = result.machine
    dial = "" if result.pruning == 1 else f"pruning {result.pruning:g}, "
    head = (
        f"{result.bundle}: target {result.target}, {result.precision}, {dial}on "
        f"{', '.join([*machine['gpus'], machine['cpu']])}, {machine['cores']} cores\n"
        "time and FLOPs: how many times those of ltp-deploy; FLOPs are real multiply-adds"
    )
    blocks = [head, *map(_case, result.cases)]
    return "\n\n".join([*blocks, *(f"WARNING: {warning}" for warning in result.warnings)])


def _case(case: CaseResult) -> str:
    lines = [
        f"{case.name}: {case.requests} requests, {case.sequences} sequences, {case.tokens} tokens, "
        f"{100 * case.padding:.0f} % padding when padded",
        table(HEADERS, [_row(runner) for runner in case.runners]),
    ]
    if case.flops_ratio_authors is not None:
        lines.append(f"pruning saves {case.flops_ratio_authors:.2f}x FLOPs by the authors' count")
    if case.same_predictions is not None:
        lines.append(f"same prediction as the dense model: {100 * case.same_predictions:.1f} %")
    return "\n".join(lines)


def _row(result: RunnerResult) -> list[str]:
    return [
        result.name,
        f"{result.p50_ms:.2f}",
        f"{result.p90_ms:.2f}",
        f"{result.p99_ms:.2f}",
        f"{result.sequences_per_s:.1f}",
        f"{result.tokens_per_s:.0f}",
        f"{result.time_ratio:.2f}x",
        "" if result.flops_ratio is None else f"{result.flops_ratio:.2f}x",
    ]
