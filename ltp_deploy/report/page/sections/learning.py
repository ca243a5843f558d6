"""How a model was trained to prune: its loss and its tokens over the stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from ltp_deploy.report.page.documents.trained import LearnedView, LogLine
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, element, note, table, times
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.page.sections.tuning import cost
from ltp_deploy.report.page.svg import Axis, Plot, figure

LEARN = "ltp-deploy learn CHECKPOINT --data TRAIN --dev DEV -o LEARNED"
STYLES = ("c", "a", "b", "d")
MOST_ROWS = 40

Stage = tuple[str, list[LogLine]]


def content(findings: Findings) -> Sequence[Child] | Missing:
    """The result, then plots over the steps of all stages."""
    found = findings.learned
    if found is None:
        return Missing("it was not trained to prune, or the training is not given here", LEARN)
    words = (
        f"Method {found.recipe.method}. On {found.texts:,} texts it saves "
        f"{times(found.pruned.flops_ratio)} FLOPs and costs "
        f"{cost(found.dense, found.pruned, found.low, found.high)}."
    )
    parts: list[Child] = [
        element("p", words),
        table(["", found.dense.metric, "fewer FLOPs", "in our engine"], _scores(found), "Result"),
        *([note(found.remark)] if found.remark else []),
    ]
    if not findings.log:
        return [*parts, note("No log.jsonl lies beside the result: its losses are not known.")]
    stages = [(name, list(lines)) for name, lines in groupby(findings.log, lambda x: x.stage)]
    plots = (
        _over_steps("Loss", "loss", stages, lambda line: line.loss, "{:g}".format),
        _over_steps(
            "Tokens alive, mean over layers", "tokens", stages, _share, lambda share: f"{share:.0%}"
        ),
    )
    return [
        *parts,
        element("div", *plots, class_="grid"),
        note(
            "The score is measured at the end, not after each stage. Under the soft mask a token "
            "counts as the share that the mask keeps of it."
        ),
    ]


def _scores(found: LearnedView) -> list[list[Child]]:
    dense, pruned = found.dense, found.pruned
    return [
        ["dense", f"{dense.score:.2f}", "", ""],
        ["pruned", f"{pruned.score:.2f}", times(pruned.flops_ratio), times(1 / found.work)],
    ]


def _share(line: LogLine) -> float:
    return line.tokens_alive / line.tokens


def _over_steps(
    title: str,
    label: str,
    stages: Sequence[Stage],
    value: Callable[[LogLine], float],
    name: Callable[[float], str],
) -> Child:
    """A plot of all stages, one after another, in a style each."""
    lines = [line for _, stage in stages for line in stage]
    steps, start = [], 0
    for _, stage in stages:
        steps.append([start + line.step for line in stage])
        start += max(line.step for line in stage)
    x = Axis.around([0, *(step for stage in steps for step in stage)], "step")
    plot = Plot(title, x, Axis.around([value(line) for line in lines], label, name))
    keys = []
    for i, (stage_name, stage) in enumerate(stages):
        style = STYLES[i % len(STYLES)]
        points = [(step, value(line)) for step, line in zip(steps[i], stage, strict=True)]
        plot.line(points, style)
        if len(points) <= MOST_ROWS:
            plot.dots(points, style)
        keys.append((f"line {style}", f"stage {stage_name}"))
    apart = -(-len(lines) // MOST_ROWS)
    rows = [
        [line.stage, str(line.step), f"{value(line):.3g}"]
        for i, line in enumerate(lines)
        if i % apart == 0
    ]
    shown = figure(plot.svg(), keys, table(["stage", "step", label], rows, title))
    return element("section", element("h3", title), shown)
