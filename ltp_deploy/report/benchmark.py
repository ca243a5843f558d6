"""The result of `bench` as text."""

from __future__ import annotations

from ltp_deploy.benchmark.results import Benchmark, CaseResult, SideResult
from ltp_deploy.report.table import table

HEADERS = ["side", "p50 ms", "p90 ms", "p99 ms", "sequences/s", "tokens/s", "time", "FLOPs"]


def describe(result: Benchmark) -> str:
    """A table per case, then warnings."""
    machine = result.machine
    head = (
        f"{result.bundle}: target {result.target}, {result.precision}, on "
        f"{', '.join([*machine['gpus'], machine['cpu']])}, {machine['cores']} cores\n"
        "time and FLOPs: how many times those of ltp-deploy; FLOPs are real multiply-adds"
    )
    blocks = [head, *map(_case, result.cases)]
    return "\n\n".join([*blocks, *(f"WARNING: {warning}" for warning in result.warnings)])


def _case(case: CaseResult) -> str:
    lines = [
        f"{case.name}: {case.requests} requests, {case.sequences} sequences, {case.tokens} tokens, "
        f"{100 * case.padding:.0f} % padding when padded",
        table(HEADERS, [_row(side) for side in case.sides]),
    ]
    if case.flops_ratio_authors is not None:
        lines.append(f"pruning saves {case.flops_ratio_authors:.2f}x FLOPs by the authors' count")
    if case.same_predictions is not None:
        lines.append(f"same prediction as the dense model: {100 * case.same_predictions:.1f} %")
    return "\n".join(lines)


def _row(side: SideResult) -> list[str]:
    return [
        side.name,
        f"{side.p50_ms:.2f}",
        f"{side.p90_ms:.2f}",
        f"{side.p99_ms:.2f}",
        f"{side.sequences_per_s:.1f}",
        f"{side.tokens_per_s:.0f}",
        f"{side.time_ratio:.2f}x",
        "" if side.flops_ratio is None else f"{side.flops_ratio:.2f}x",
    ]
