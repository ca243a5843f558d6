"""What learning came to."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.learn.learn import Learned
from ltp_deploy.learn.sweep import Sweep
from ltp_deploy.report.table import table


def describe(result: Learned, output: Path) -> str:
    """Dense and pruned side by side, and who survives."""
    rows = [
        [name, f"{point.score:.2f}", f"{point.flops_ratio:.2f}x"]
        for name, point in (("dense", result.dense), ("pruned", result.pruned))
    ]
    layers = result.policy["layers"]
    alive = [f"{n:.1f}" for n in result.pruned.alive]
    rules = ["", *(f"{r['mode']} {r['threshold']:.4g}" for r in layers)]
    steps = ["in", *map(str, range(len(layers)))]
    return "\n\n".join(
        [
            f"{output}: {result.recipe.method}, {result.drop:+.2f} points below the dense model",
            table(["", result.dense.metric, "fewer FLOPs (authors' count)"], rows),
            table(["behind layer", "rule", "tokens alive"], zip(steps, rules, alive, strict=True)),
        ]
    )


def describe_sweep(found: Sweep) -> str:
    """One line for each value: score, FLOPs, and how many times faster than the others."""
    cases = found.runs[0].speed
    sides = [(case, side) for case, others in cases.items() for side in others]
    headers = [found.setting, found.dense.metric, "against dense", "fewer FLOPs"]
    rows = [
        [
            f"{run.value:g}",
            f"{run.point.score:.2f}",
            f"{run.point.score - found.dense.score:+.2f}",
            f"{run.point.flops_ratio:.2f}x",
            *(f"{run.speed[case][side]:.2f}x" for case, side in sides),
        ]
        for run in found.runs
    ]
    return table([*headers, *(f"{case}: over {side}" for case, side in sides)], rows)
