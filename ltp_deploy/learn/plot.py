"""Accuracy against work, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ltp_deploy.errors import needs
from ltp_deploy.learn.evaluate import Point

Series = Mapping[str, Sequence[Point]]


def draw(path: Path, title: str, dense: Point, series: Series, budget: float | None = None) -> None:
    """Write an SVG (or what the suffix says): FLOPs saved to the right, the score upwards.

    Args:
        series: points by name, joined by lines where there are several.
        budget: a drop in points, drawn as a line below the dense model's.

    Raises:
        LtpError: matplotlib is missing.
    """
    with needs("the picture needs matplotlib", "learn"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(dense.score, color="grey", linewidth=1, label="dense")
    if budget is not None:
        axes.axhline(dense.score - budget, color="grey", linewidth=1, linestyle=":", label="budget")
    for name, points in series.items():
        ordered = sorted(points, key=lambda point: point.flops_ratio)
        x = [point.flops_ratio for point in ordered]
        y = [point.score for point in ordered]
        axes.plot(x, y, marker="o", markersize=4, linewidth=1.2, label=name)
    axes.set_title(title)
    axes.set_xlabel("times fewer FLOPs (authors' count)")
    axes.set_ylabel(dense.metric)
    axes.legend(frameon=False)
    axes.grid(alpha=0.2)
    figure.savefig(path)
