"""A picture of the score against the work saved, and against measured speed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ltp_deploy.errors import needs
from ltp_deploy.tune.evaluate import Point

FLOPS = "times fewer FLOPs (authors' count)"

Curve = Sequence[tuple[float, float]]  # (x, score)
Panels = Mapping[str, Mapping[str, Curve]]  # by label of the x axis, then by the curve's own


def by_flops(points: Iterable[Point]) -> Curve:
    """Operating points as a curve: the score over the FLOPs ratio."""
    return [(point.flops_ratio, point.score) for point in points]


def check_matplotlib() -> None:
    """Raises LtpError: matplotlib is missing."""
    with needs("the picture needs matplotlib", "learn"):
        import matplotlib  # noqa: F401


@dataclass(frozen=True)
class Bar:
    """An estimate with its interval, in the first panel: x, and three scores."""

    name: str
    x: float
    low: float
    score: float
    high: float


def draw(
    path: Path,
    title: str,
    dense: Point,
    panels: Panels,
    budget: float | None = None,
    estimate: Bar | None = None,
) -> None:
    """Write a picture with one panel for each x axis and the score as the y axis.

    Args:
        path: the file to write, in the format of its suffix, say .svg.
        title: above all panels.
        dense: the model without pruning, drawn as a level line.
        panels: the curves of each panel; the points of a curve are joined by lines.
        budget: an allowed drop in points, drawn as a second level line below the dense model's.
        estimate: drawn with its interval.

    Raises:
        LtpError: matplotlib is missing.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * len(panels), 4.0), layout="constrained")
    figure.suptitle(title, parse_math=False)  # a folder's name may hold dollars
    row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (label, curves) in zip(row, panels.items(), strict=True):
        axes.axhline(dense.score, color="grey", linewidth=1, label="dense")
        if budget is not None:
            allowed = dense.score - budget
            axes.axhline(allowed, color="grey", linewidth=1, linestyle=":", label="budget")
        for name, points in curves.items():
            x, y = zip(*sorted(points), strict=True)
            axes.plot(x, y, marker="o", markersize=4, linewidth=1.2, label=name)
        if estimate is not None and axes is row[0]:
            ends = [[estimate.score - estimate.low], [estimate.high - estimate.score]]
            at = ([estimate.x], [estimate.score], ends)
            axes.errorbar(*at, marker="s", markersize=5, capsize=4, label=estimate.name)
        axes.set_xlabel(label)
        axes.legend(frameon=False)
        axes.grid(alpha=0.2)
    row[0].set_ylabel(dense.metric)
    figure.savefig(path)
