"""The tables and pictures of docs/results.md, from the files that learning.py wrote.

Usage: python benchmarks/learning_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from learning import METHODS, RESULTS, TASKS, WAYS

from ltp_deploy.learn.evaluate import Point
from ltp_deploy.learn.plot import FLOPS, Curve, by_flops, draw

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"

Run = dict[str, Any]


def main() -> None:
    runs: dict[str, list[Run]] = {}
    for name in TASKS:
        files = sorted(RESULTS.glob(f"{name}-[0-9].json"))
        if files:
            runs[name] = [json.loads(file.read_text()) for file in files]
    parts = ["## Scores at equal FLOPs", scores(runs), "## Speed of the engines", speeds(runs)]
    pictures = DOCS / "results"
    pictures.mkdir(exist_ok=True)
    for name, found in runs.items():
        dense, curves = average(found)
        draw(pictures / f"{name}.svg", name, dense, {FLOPS: curves}, budget=1.0)
        parts.append(f"![{name}: score against FLOPs](results/{name}.svg)")
    page = DOCS / "results.md"
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text("\n\n".join([before + BEGIN, *parts, END]) + after, encoding="utf-8")


def shared_ratios(runs: list[Run]) -> list[str]:
    """Those that every method has in every run."""
    known = [set(run["points"][method]) for run in runs for method in METHODS]
    return sorted(set.intersection(*known), key=float)


def scores(runs: dict[str, list[Run]]) -> str:
    """One row a task and FLOPs ratio: the dense score, and how far each method lies below it."""
    rows = []
    for name, found in runs.items():
        dense = spread(run["dense"]["score"] for run in found)
        for asked in shared_ratios(found):
            cells = []
            for way in WAYS:
                has = [run for run in found if asked in run["points"].get(way, {})]
                points = [run["points"][way][asked] for run in has]
                pairs = zip(points, has, strict=True)
                drops = [point["score"] - run["dense"]["score"] for point, run in pairs]
                few = f" ({len(has)} of {len(found)})" if len(has) < len(found) else ""
                cells.append(f"{spread(drops, '+')}{few}" if has else "")
            ratios = [run["points"]["ltp"][asked]["flops_ratio"] for run in found]
            rows.append([name, str(len(found)), dense, f"{mean(ratios):.2f}x", *cells])
    return markdown(["task", "seeds", "dense, %", "FLOPs ratio", *WAYS], rows)


def speeds(runs: dict[str, list[Run]]) -> str:
    """One row an engine and batch size: how many times faster it is than each other side."""
    rows, sides = [], dict[str, None]()
    measured = [
        (name, run["seed"], ratio, case, others)
        for name, found in runs.items()
        for run in found
        for ratio, cases in run["speed"].items()
        for case, others in cases.items()
    ]
    for *_, others in measured:
        sides.update(dict.fromkeys(others))
    for name, seed, ratio, case, others in measured:
        cells = [f"{others[side]:.2f}x" if side in others else "" for side in sides]
        rows.append([name, str(seed), f"{ratio}x", case, *cells])
    return markdown(["task", "seed", "asked", "requests", *(f"over {s}" for s in sides)], rows)


def average(runs: list[Run]) -> tuple[Point, dict[str, Curve]]:
    """The dense point and each method's curve, means over seeds."""

    def middle(points: list[Run]) -> Point:
        score, ratio = (mean(p[key] for p in points) for key in ("score", "flops_ratio"))
        return Point(points[0]["metric"], score, ratio, [])

    curves = {
        method: by_flops(
            middle([run["points"][method][ratio] for run in runs]) for ratio in shared_ratios(runs)
        )
        for method in METHODS
    }
    return middle([run["dense"] for run in runs]), curves


def spread(values: Iterable[float], sign: str = "") -> str:
    """The mean, and the standard deviation over seeds where there are several."""
    known = list(values)
    text = f"{mean(known):{sign}.2f}"
    return f"{text} ± {stdev(known):.2f}" if len(known) > 1 else text


def markdown(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
