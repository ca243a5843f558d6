"""The ranges of activations that an int8 engine was built with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.report.page.documents.calibrated import Ends
from ltp_deploy.report.page.findings import BundleFacts, CalibrationFacts, Findings
from ltp_deploy.report.page.markup import Child, command, element, table
from ltp_deploy.report.page.section import Missing
from ltp_deploy.report.page.svg import Axis, Plot, figure

CALIBRATE = "ltp-deploy calibrate CHECKPOINT --data DATA -o C.json"
LAYER = re.compile(r"layers?[._](\d+)[._](\w+)")
# How the compiler names the linear layers, and the class of each in the plot.
KINDS = {"qkv": "a", "attention_output": "b", "intermediate": "c", "output": "d"}
NAMES = {
    "qkv": "query, key and value",
    "attention_output": "attention's output",
    "intermediate": "feed-forward, first",
    "output": "feed-forward, second",
}


def content(findings: Findings) -> Sequence[Child] | Missing:
    """The file, the layers that are not int8, and the ranges."""
    bundle = findings.bundle
    if bundle is None:
        return Missing("nothing is built yet", CALIBRATE)
    if bundle.calibration is None:
        return Missing(_why_not(bundle), CALIBRATE)
    sample = bundle.calibration.record.sample
    drawn = f"{sample.count} texts of {sample.name}, drawn with seed {sample.seed}"
    file = f"{bundle.manifest.calibration} in the bundle"
    return [
        element("p", f"Measured on {drawn} ({file}). ", *_precise(bundle)),
        _ranges(bundle.calibration),
    ]


def _why_not(bundle: BundleFacts) -> str:
    precision = bundle.manifest.precision
    if precision in INT8:
        return f"not calibrated: {precision} finds its scales while it runs"
    return f"not calibrated: {precision} needs no ranges, int8 does"


def _precise(bundle: BundleFacts) -> list[Child]:
    """Which layers are more precise than the rest, and who decided it."""
    manifest = bundle.manifest
    others: dict[str, list[str]] = {}
    for i, layer in enumerate(manifest.plan.layers):
        if layer.precision != manifest.precision:
            others.setdefault(layer.precision, []).append(str(i))
    if not others:
        return [f"All layers are {manifest.precision}."]
    found = "; ".join(f"{', '.join(layers)} in {name}" for name, layers in others.items())
    kept = f"Left in higher precision: layers {found}"
    if not manifest.options.not_int8:
        return [f"{kept}, as {manifest.target} has no {manifest.precision} for them."]
    return [
        f"{kept}. Either ",
        command("build --not-int8"),
        " named them, or the search of ",
        command("build --max-drop"),
        " found that with them in int8 the score falls by more than is allowed; the bundle does "
        "not record which.",
    ]


def _ranges(facts: CalibrationFacts) -> Child:
    """Upright bars from the least to the largest value, in groups by layer."""
    ranges = facts.record.ranges
    placed = {name: place for name in ranges if (place := _place(name)) is not None}
    if not placed:
        return _table(ranges)
    layers = 1 + max(layer for layer, _ in placed.values())
    every = -(-layers // 13)
    ticks = tuple((float(i), str(i)) for i in range(0, layers, every))
    ends = [end for name in placed for end in (ranges[name].low, ranges[name].high)]
    plot = Plot(
        "Ranges of what enters each linear layer",
        Axis(-0.5, layers - 0.5, "layer", ticks),
        Axis.around(ends, "value, smoothed"),
    )
    for name, (layer, kind) in placed.items():
        middle = layer + (list(KINDS).index(kind) - 1.5) * 0.2
        low, high = (middle - 0.07, ranges[name].low), (middle + 0.07, ranges[name].high)
        plot.box(low, high, f"box {KINDS[kind]}")
    plot.level(0, "zero")
    keys = [(f"box {style}", NAMES[kind]) for kind, style in KINDS.items()]
    return figure(plot.svg(), keys, _table(ranges))


def _place(name: str) -> tuple[int, str] | None:
    """The layer and kind of a linear layer of the encoder; None of the head's."""
    match = LAYER.fullmatch(name)
    return (int(match[1]), match[2]) if match and match[2] in KINDS else None


def _table(ranges: Mapping[str, Ends]) -> Child:
    rows = [[name, f"{ends.low:.4g}", f"{ends.high:.4g}"] for name, ends in ranges.items()]
    return table(["linear layer", "least", "largest"], rows, "Ranges of activations")
