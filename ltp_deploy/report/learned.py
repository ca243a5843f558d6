"""The text that `ltp-deploy learn` prints."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.learn.learn import Learned
from ltp_deploy.learn.sweep import Sweep
from ltp_deploy.report.table import table


def describe(result: Learned, output: Path) -> str:
    """The score and work with and without pruning, then the rule and the tokens of each layer."""
    dense, pruned = result.dense, result.pruned
    rows = [
        ["dense", f"{dense.score:.2f}", "", ""],
        ["pruned", f"{pruned.score:.2f}", f"{pruned.flops_ratio:.2f}x", f"{1 / result.work:.2f}x"],
    ]
    headers = ["", dense.metric, "fewer FLOPs (authors' count)", "in our engine"]
    layers = result.policy["layers"]
    kept = [f"{n:.1f}" for n in result.pruned.alive]
    rules = ["", *(f"{r['mode']} {r['threshold']:.4g}" for r in layers)]
    steps = ["in", *map(str, range(len(layers)))]
    return "\n\n".join(
        [
            f"{output}: {result.recipe.method}, {result.drop:+.2f} points below the dense model "
            f"(95 % interval {result.low:+.2f} to {result.high:+.2f}, {result.texts} texts)",
            table(headers, rows),
            *([result.remark] if result.remark else []),
            table(["after layer", "rule", "tokens kept"], zip(steps, rules, kept, strict=True)),
        ]
    )


def outside_budget(result: Learned) -> str:
    """Says that the result loses more than was allowed, and what can be done."""
    return (
        f"outside the budget: {result.drop:.2f} points are lost by the estimate, allowed were "
        f"{result.recipe.max_drop:g}. Allow more, give more dev data, or train for longer"
    )


def describe_sweep(found: Sweep) -> str:
    """One line for each value: score, FLOPs, and how many times faster than each baseline."""
    cases = found.runs[0].speed
    baselines = [(case, name) for case, ratios in cases.items() for name in ratios]
    headers = [found.setting, found.dense.metric, "against dense", "fewer FLOPs"]
    rows = [
        [
            f"{run.value:g}",
            f"{run.point.score:.2f}",
            f"{run.point.score - found.dense.score:+.2f}",
            f"{run.point.flops_ratio:.2f}x",
            *(f"{run.speed[case][name]:.2f}x" for case, name in baselines),
        ]
        for run in found.runs
    ]
    return table([*headers, *(f"{case}: over {name}" for case, name in baselines)], rows)
