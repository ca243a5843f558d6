"""How much pruning costs how much of the score: what `tune` tried, and what it chose."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.report.page.documents.trained import OperatingPoint, Tried, TunedView
from ltp_deploy.report.page.findings import Findings
from ltp_deploy.report.page.markup import Child, element, note, table, times
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.page.svg import Axis, Plot, figure

TUNE = "ltp-deploy tune CHECKPOINT --data DATA -o TUNED"
HEADERS = ("search", "fewer FLOPs", "in our engine", "against dense", "")


def content(findings: Findings) -> Sequence[Child] | Missing:
    """The estimate, and a plot of the score over the work saved."""
    found = findings.tuned
    if found is None:
        return Missing("thresholds were not tuned, or not given here", TUNE)
    estimate = found.estimate
    changed = f", and {estimate.changed} answers change" if estimate.changed is not None else ""
    words = (
        f"The most pruning that was found within {found.max_drop:g} points on "
        f"{found.searched:,} texts. On {estimate.texts:,} other texts it saves "
        f"{times(estimate.pruned.flops_ratio)} FLOPs and costs "
        f"{cost(estimate.dense, estimate.pruned, estimate.low, estimate.high)}{changed}."
    )
    unlabelled = "Judged without labels, by agreement with the dense model."
    rules = [
        [str(i), f"{rule.mode} {rule.threshold:.4g}" if rule.threshold else "none", f"{kept:.1f}"]
        for i, (rule, kept) in enumerate(
            zip(found.chosen.policy.layers, estimate.pruned.alive[1:], strict=False)
        )
    ]
    return [
        element("p", words),
        _front(found),
        *([] if found.labelled else [note(unlabelled)]),
        *([note(estimate.remark)] if estimate.remark else []),
        element("h3", "The thresholds that were chosen"),
        table(["layer", "rule", "tokens kept"], rules, "The chosen rules", numbers=False),
    ]


def cost(dense: OperatingPoint, pruned: OperatingPoint, low: float, high: float) -> str:
    """The drop with its interval, in points of the score."""
    return (
        f"{dense.score - pruned.score:+.2f} points of {dense.metric} (95 % interval {low:+.2f} to "
        f"{high:+.2f})"
    )


def _front(found: TunedView) -> Child:
    estimate, dense = found.estimate, found.dense.score
    at, score = estimate.pruned.flops_ratio, dense - (estimate.dense.score - estimate.pruned.score)
    # The estimate is drawn as far below the dense model as it is on its own texts.
    low, high = dense - estimate.high, dense - estimate.low
    shown = _near(found, min(low, dense - found.max_drop))
    points = [_point(tried) for tried in shown]
    x = Axis.around([1.0, at, *(p[0] for p in points)], "times fewer FLOPs (authors' count)")
    scores = [p[1] for p in points]
    y = Axis.around([low, high, dense, dense - found.max_drop, *scores], found.dense.metric)
    plot = Plot("The score over the FLOPs that pruning saves", x, y)
    plot.level(dense, "grey")
    plot.level(dense - found.max_drop, "grey dashed")
    keys = [("line grey", "dense"), ("line grey dashed", "the least that was allowed")]
    for tries, style, name in (
        (found.curve, "c", "one factor for all layers"),
        (found.path, "a", "layer by layer"),
    ):
        kept = sorted((tried for tried in tries if tried in shown), key=_point)
        if kept:
            plot.line([_point(tried) for tried in kept], style)
            plot.dots([_point(t) for t in kept], style, [_title(t, found) for t in kept])
            keys.append((f"line {style}", name))
    plot.line([(at, low), (at, high)], "b")
    plot.dots([(at, score)], "b", ["The estimate, on other texts"])
    plot.dots([_point(found.chosen)], "ring")
    keys += [("dot ring", "chosen"), ("line b", "its estimate on other texts, 95 % interval")]
    rows = [
        [name, *_cells(tried, found)]
        for name, tries in (("one factor", found.curve), ("layer by layer", found.path))
        for tried in tries
    ]
    left = len(found.curve) + len(found.path) - len(shown)
    remark = [note(f"{left} that lose far more than was allowed are in the table alone.")]
    return figure(plot.svg(), keys, table(HEADERS, rows, "What was tried"), *(remark * bool(left)))


def _near(found: TunedView, least: float) -> list[Tried]:
    """Those that do not lose so much that the others would lie on one line."""
    bottom = found.dense.score - 3 * max(found.dense.score - least, found.max_drop)
    tried = [*found.curve, *found.path]
    return [t for t in tried if t.point.score >= bottom or t == found.chosen]


def _point(tried: Tried) -> tuple[float, float]:
    return tried.point.flops_ratio, tried.point.score


def _title(tried: Tried, found: TunedView) -> str:
    ratio, _, drop, _ = _cells(tried, found)
    return f"{ratio} fewer FLOPs, {drop} points"


def _cells(tried: Tried, found: TunedView) -> list[str]:
    return [
        times(tried.point.flops_ratio),
        times(1 / tried.work),
        f"{tried.point.score - found.dense.score:+.2f}",
        "chosen" if tried.policy == found.chosen.policy else "",
    ]
