"""The tables and pictures of docs/results.md on tuning, from the files that tuning.py wrote.

Usage: python benchmarks/tuning_page.py
"""

from __future__ import annotations

import json
from typing import Any

from learning_page import DOCS, markdown, put
from tuning import METHODS, PARTS, RATIOS, RESULTS, Method

from ltp_deploy.tune.evaluate import Point
from ltp_deploy.tune.plot import Curve, draw

BEGIN, END = "<!-- tuning begin -->", "<!-- tuning end -->"
WAYS = {True: "layer by layer", False: "one factor"}
SHOWN = "1.5"  # of `RATIOS`, for the table of all methods on all tasks

Found = dict[str, Any]


def main() -> None:
    files = {name: RESULTS / f"{name}.json" for name in PARTS}
    tasks = {name: json.loads(path.read_text()) for name, path in files.items() if path.exists()}
    parts = [texts(tasks), f"All methods at {SHOWN}x:", compared(tasks)]
    parts += ["The rules on attention received, layer by layer, at every ratio:", rules(tasks)]
    pictures = DOCS / "results"
    pictures.mkdir(exist_ok=True)
    for name, found in tasks.items():
        panels = {f"times less work in an engine, {WAYS[way]}": curves(found, way) for way in WAYS}
        dense = Point(**found["dense"])
        draw(pictures / f"tuning-{name}.svg", f"{name}, not trained", dense, panels, budget=1.0)
        parts.append(f"![{name}: score against work](results/tuning-{name}.svg)")
    put(parts, BEGIN, END)


def texts(tasks: dict[str, Found]) -> str:
    """A table of what was searched on and judged on."""
    rows = []
    for name, found in tasks.items():
        cells = [
            f"{found['texts'][use]} (`{found['parts'][use]['file']}`)" for use in ("search", "test")
        ]
        tokens = f"{found['dense']['alive'][0]:.0f}"
        rows.append([name, *cells, tokens, f"{found['dense']['score']:.2f}"])
    return markdown(["task", "search texts", "test texts", "tokens", "dense, %"], rows)


def compared(tasks: dict[str, Found]) -> str:
    """A table with one row per method and one column per task, at one ratio."""
    rows = []
    for method in METHODS:
        cells = [cell(point_of(found, method, SHOWN), found) for found in tasks.values()]
        if any(cells):
            rows.append([WAYS[method.layerwise], method.rule, method.score, *cells])
    return markdown(["thresholds", "rule", "score", *tasks], rows)


def rules(tasks: dict[str, Found]) -> str:
    """A table with one row per task and rule, and one column per ratio."""
    rows = []
    known = [method for method in METHODS if method.layerwise and method.score == "attention"]
    for name, found in tasks.items():
        for method in known:
            points = [point_of(found, method, f"{ratio:g}") for ratio in RATIOS]
            if any(points):
                rows.append([name, method.rule, *(cell(point, found) for point in points)])
    return markdown(["task", "rule", *(f"{ratio:g}x" for ratio in RATIOS)], rows)


def point_of(found: Found, method: Method, ratio: str) -> Found | None:
    """What a method did at a ratio; None where it did not get there."""
    point: Found | None = found["methods"].get(str(method), {"points": {}})["points"].get(ratio)
    return point


def cell(point: Found | None, found: Found) -> str:
    """Points against the dense model, the share of answers changed, and the ratios on the test
    texts: in an engine, and by the authors' count."""
    if point is None:
        return ""
    test = point["test"]
    changed = 100 * test["changed"] / found["texts"]["test"]
    ratios = f"{test['engine_ratio']:.2f}x / {test['flops_ratio']:.2f}x"
    return f"{0 - test['drop']:+.2f}, {changed:.1f} %, {ratios}"


def curves(found: Found, layerwise: bool) -> dict[str, Curve]:
    """The scores of each method over its ratios, by its name."""
    shown = {}
    for method in METHODS:
        if method.layerwise is layerwise and str(method) in found["methods"]:
            points = found["methods"][str(method)]["points"].values()
            curve = [(point["test"]["engine_ratio"], point["test"]["score"]) for point in points]
            if curve:
                shown[f"{method.rule}, {method.score}"] = curve
    return shown


if __name__ == "__main__":
    main()
