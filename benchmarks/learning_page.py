"""The tables and pictures of docs/results.md, from the files that learning.py wrote.

Usage: python benchmarks/learning_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from learning import METHODS, RESULTS, TASKS, VARIANTS

from ltp_deploy.tune.evaluate import Point
from ltp_deploy.tune.plot import FLOPS, Curve, by_flops, draw

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- figures begin -->", "<!-- figures end -->"

# What the result files call a baseline, and what the page does.
BASELINES = {
    "ltp-deploy, nothing pruned": "without pruning",
    "OpenVINO dense, padded": "padded dense",
    "OpenVINO dense, one by one": "one by one",
}
SPEED = """\
How many times faster each *ltp* engine is than the same engine without pruning, than dense
OpenVINO with padding, and than dense OpenVINO with one call per sequence (where a request has more
than one)."""

Run = dict[str, Any]


def main() -> None:
    runs: dict[str, list[Run]] = {}
    for name in TASKS:
        files = sorted(RESULTS.glob(f"{name}-[0-9].json"))
        if files:
            runs[name] = [json.loads(file.read_text()) for file in files]
    parts = ["## Scores at equal FLOPs", scores(runs)]
    parts += ["## Speed of the engines", SPEED, speeds(runs)]
    pictures = DOCS / "results"
    pictures.mkdir(exist_ok=True)
    for name, found in runs.items():
        dense, curves = average(found)
        draw(pictures / f"{name}.svg", name, dense, {FLOPS: curves}, budget=1.0)
        parts.append(f"![{name}: score against FLOPs](results/{name}.svg)")
    put(parts, BEGIN, END)


def put(parts: list[str], begin: str, end: str, name: str = "results.md") -> None:
    """Replace what a page of docs has between two marks."""
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    page.write_text("\n\n".join([before + begin, *parts, end]) + after, encoding="utf-8")


def shared_ratios(runs: list[Run]) -> list[str]:
    """The requested FLOPs ratios that every method has in every run."""
    known = [set(run["points"][method]) for run in runs for method in METHODS]
    return sorted(set.intersection(*known), key=float)


def scores(runs: dict[str, list[Run]]) -> str:
    """A table with one row per task and FLOPs ratio: the dense score, and how far each method is
    from it."""
    rows = []
    for name, found in runs.items():
        dense = spread(run["dense"]["score"] for run in found)
        for asked in shared_ratios(found):
            cells = []
            for variant in VARIANTS:
                has = [run for run in found if asked in run["points"].get(variant, {})]
                points = [run["points"][variant][asked] for run in has]
                pairs = zip(points, has, strict=True)
                drops = [point["score"] - run["dense"]["score"] for point, run in pairs]
                few = f" ({len(has)} of {len(found)})" if len(has) < len(found) else ""
                cells.append(f"{spread(drops, '+')}{few}" if has else "")
            ratios = [run["points"]["ltp"][asked]["flops_ratio"] for run in found]
            rows.append([name, str(len(found)), dense, f"{mean(ratios):.2f}x", *cells])
    return markdown(["task", "seeds", "dense, %", "FLOPs ratio", *VARIANTS], rows)


def speeds(runs: dict[str, list[Run]]) -> str:
    """A table with one row per engine and batch size: how many times faster the engine is than
    each baseline."""
    measured = [
        (name, run["seed"], ratio, requests, times_faster)
        for name, found in runs.items()
        for run in found
        for ratio, cases in run["speed"].items()
        for requests, times_faster in cases.items()
    ]
    baselines = [b for b in BASELINES if any(b in times_faster for *_, times_faster in measured)]
    rows = []
    for name, seed, ratio, requests, times_faster in measured:
        cells = [f"{times_faster[b]:.2f}x" if b in times_faster else "" for b in baselines]
        rows.append([name, str(seed), f"{ratio}x", requests, *cells])
    headings = ["task", "seed", "FLOPs ratio", "requests", *(BASELINES[b] for b in baselines)]
    return markdown(headings, rows)


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
