"""The text that `ltp-deploy tune` prints."""

from __future__ import annotations

from pathlib import Path

from ltp_deploy.learn.tune import Tuned
from ltp_deploy.report.table import table


def describe(result: Tuned, output: Path) -> str:
    """The model without pruning, as it was and tuned; then the curve of one factor for all."""
    points = [("dense", result.dense), ("as it was", result.before), ("tuned", result.chosen.point)]
    rows = [
        [
            name,
            f"{point.score:.2f}",
            f"{point.score - result.dense.score:+.2f}",
            f"{point.flops_ratio:.2f}x",
        ]
        for name, point in points
    ]
    curve = [
        [f"{c.factors[0]:g}", f"{c.point.score:.2f}", f"{c.point.flops_ratio:.2f}x"]
        for c in result.curve
    ]
    factors = ", ".join(f"{factor:.3g}" for factor in result.chosen.factors)
    return "\n\n".join(
        [
            f"{output}: the most pruning within {result.max_drop:g} points, {result.tried} tried",
            table(["", result.dense.metric, "against dense", "fewer FLOPs"], rows),
            f"thresholds times, by layer: {factors}",
            table(["all times", result.dense.metric, "fewer FLOPs"], curve),
            "It was chosen on this data: check it on other data (ltp-deploy verify).",
        ]
    )
