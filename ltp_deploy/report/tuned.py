"""The text that `ltp-deploy tune` prints."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.report.plan import thresholds
from ltp_deploy.report.table import table
from ltp_deploy.tune.search import Candidate, Tuned

CURVE_ROWS = 20  # at most, and the chosen one; tuned.json and tuned.svg have all


def describe(result: Tuned, output: Path) -> str:
    """What the chosen policy is estimated to cost and to save, its rules, and the way to it."""
    estimate = result.estimate
    metric = estimate.dense.metric
    if not result.labelled:
        metric = f"agreement with the dense model, {metric}"
    rows = [
        ["dense", f"{estimate.dense.score:.2f}", "", "", ""],
        [
            "tuned",
            f"{estimate.pruned.score:.2f}",
            f"{estimate.pruned.score - estimate.dense.score:+.2f}",
            f"{estimate.pruned.flops_ratio:.2f}x",
            f"{1 / estimate.work:.2f}x",
        ],
    ]
    headers = ["", metric, "against dense", "fewer FLOPs (authors' count)", "in our engine"]
    layers = [
        [i, rule, f"{kept:.1f}"]
        for i, (rule, kept) in enumerate(
            zip(result.chosen.policy.layers, estimate.pruned.alive[1:], strict=True)
        )
    ]
    tokens = f"tokens kept of {estimate.dense.alive[0]:.1f}"
    return "\n\n".join(
        [
            f"{output}: the most pruning within {result.max_drop:g} points on "
            f"{result.searched} texts",
            table(headers, rows),
            *([estimate.remark] if estimate.remark else []),
            _estimated(result),
            *_labels(result),
            table(["layer", "rule", tokens], layers),
            *_curve("thresholds times one factor", result.curve, result),
            *_curve("layer by layer", result.path, result),
        ]
    )


def _estimated(result: Tuned) -> str:
    """The drop with its interval, and the answers that changed."""
    estimate = result.estimate
    words = (
        f"Estimated on {estimate.texts} texts that it was not chosen on: it costs "
        f"{estimate.drop:+.2f} points (95 % interval {estimate.low:+.2f} to "
        f"{estimate.high:+.2f})"
    )
    if estimate.changed is not None:
        words += f", and {estimate.changed} answers change"
    if estimate.high > result.max_drop:
        words += (
            f". It may be more than {result.max_drop:g}: more texts narrow the interval, a "
            "smaller --max-drop moves it"
        )
    return words + "."


def _labels(result: Tuned) -> list[str]:
    """The thresholds of labels, and what they change before pruning."""
    chosen = result.label_thresholds
    if chosen is None:
        return []
    rows = [[m, f"{chosen.before[m]:.2f}", f"{chosen.after[m]:.2f}"] for m in chosen.before]
    headers = ["dense, on the texts of the estimate", "thresholds before", "chosen"]
    return [f"labels hold above {thresholds(chosen.thresholds.items())}", table(headers, rows)]


def _curve(title: str, candidates: tuple[Candidate, ...], result: Tuned) -> list[str]:
    if not candidates:
        return []
    apart = -(-len(candidates) // CURVE_ROWS)
    rows = [
        [
            f"{c.point.flops_ratio:.2f}x",
            f"{1 / c.work:.2f}x",
            f"{c.point.score - result.dense.score:+.2f}",
            "chosen" if c.policy == result.chosen.policy else "",
        ]
        for i, c in enumerate(candidates)
        if i % apart == 0 or c.policy == result.chosen.policy
    ]
    return [table([f"{title}: fewer FLOPs", "in our engine", "against dense", ""], rows)]
