"""What learning came to."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.learn.learn import Learned
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
