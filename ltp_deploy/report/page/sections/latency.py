"""How long requests take, beside everything else that was timed in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from ltp_deploy.report.page.documents.benchmarked import Benchmarked, CaseTimes, RunnerTimes
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, element, note, pairs, table, times
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.page.svg import WIDTH, figure, picture, rectangle, words

BENCH = "ltp-deploy bench BUNDLE --against CHECKPOINT --data DATA -o B.json"
ROW, BAR, EDGE = 46, 13, 2  # heights of a runner and of its bar; room at both sides
HEADERS = ("runner", "median ms", "90 % ms", "99 % ms", "sequences/s", "time", "FLOPs")


def content(findings: Findings) -> Sequence[Child] | Missing:
    """A plot for each case, then the machine."""
    found = findings.benchmarked
    if found is None:
        return Missing("not timed", BENCH)
    cases = element("div", *(_case(case) for case in found.cases), class_="grid")
    dial = [] if found.pruning == 1 else [note(f"Thresholds were multiplied by {found.pruning:g}.")]
    return [
        *(element("p", f"Warning: {text}.", class_="failed") for text in found.warnings),
        cases,
        note(
            "Each bar ends at the median time of a request; the thin line goes on to the time that "
            f"90 % stay below. All runners took turns in one run, in {found.precision}. Beside it, "
            "and in the table, is how many times this engine's time or FLOPs a runner takes for "
            "all requests together.",
        ),
        *dial,
        element("h3", "Measured on"),
        pairs(_machine(found)),
    ]


def _case(case: CaseTimes) -> Element:
    padding = f", {100 * case.padding:.0f} % padding when padded" if case.padding else ""
    about = f"{case.sequences} sequences in {case.requests} requests, {case.tokens} tokens{padding}"
    parts: list[Child] = [
        element("h3", case.name),
        note(about),
        figure(
            _plot(case), (), table(HEADERS, [_row(r) for r in case.runners], f"Times, {case.name}")
        ),
    ]
    if case.same_predictions is not None:
        same = 100 * case.same_predictions
        parts.append(note(f"Same answer as the dense model: {same:.1f} % of these texts."))
    return element("section", *parts, class_="case")


def _plot(case: CaseTimes) -> Element:
    """A bar for each runner, below its name."""
    most = max(runner.p90_ms for runner in case.runners)
    wide = WIDTH - 2 * EDGE
    marks = []
    for i, runner in enumerate(case.runners):
        top, own = i * ROW, i == 0
        ratio = "" if own else f", {times(runner.time_ratio)}"
        length, end = (wide * time / most for time in (runner.p50_ms, runner.p90_ms))
        middle = top + 22 + BAR / 2
        marks += [
            words(EDGE, top + 15, runner.name, "own" if own else ""),
            words(WIDTH - EDGE, top + 15, f"{_ms(runner.p50_ms)}{ratio}", "value", "end"),
            rectangle(EDGE, top + 22, length, BAR, "box own" if own else "box"),
            rectangle(EDGE + length, middle - 1, end - length, 2, "whisker"),
            rectangle(EDGE + end - 2, middle - 5, 2, 10, "whisker"),
        ]
    told = ", ".join(f"{runner.name} {_ms(runner.p50_ms)}" for runner in case.runners)
    title = f"Median times of {case.name}: {told}"
    return picture(title, WIDTH, len(case.runners) * ROW, marks)


def _row(runner: RunnerTimes) -> list[str]:
    return [
        runner.name,
        *(f"{time:.2f}" for time in (runner.p50_ms, runner.p90_ms, runner.p99_ms)),
        f"{runner.sequences_per_s:.1f}",
        times(runner.time_ratio),
        "" if runner.flops_ratio is None else times(runner.flops_ratio),
    ]


def _machine(found: Benchmarked) -> list[tuple[str, Child]]:
    machine = found.machine
    flags = ", ".join(machine.flags) or "none of those that choose kernels"
    return [
        *(("GPU", gpu) for gpu in machine.gpus),
        ("CPU", f"{machine.cpu}, {machine.cores} cores"),
        ("instructions", flags),
        ("memory", f"{machine.memory_gib:g} GiB"),
        ("versions", ", ".join(f"{name} {v}" for name, v in machine.versions.items())),
    ]


def _ms(time: float) -> str:
    return f"{time:.3g} ms" if time < 100 else f"{time:.0f} ms"
