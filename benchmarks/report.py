"""The figures as tables."""

from __future__ import annotations

from statistics import median
from typing import Any

from speed import DENSE, DENSE_BESIDE_F32, DENSE_F32, OURS, OURS_F32, UNPRUNED, WHOLE

from ltp_deploy.report.table import table

# (time of, over time of): what each ratio says.
RATIOS = (
    (DENSE, OURS),
    (DENSE_BESIDE_F32, OURS),
    (DENSE_F32, OURS),
    (OURS_F32, OURS),
    (DENSE, OURS + WHOLE),
    (UNPRUNED, OURS),
    (UNPRUNED + WHOLE, OURS + WHOLE),
    (DENSE, UNPRUNED),
    (DENSE_BESIDE_F32, UNPRUNED),
    (DENSE, UNPRUNED + WHOLE),
)


def print_speed(precision: str, speed: dict[str, Any]) -> None:
    """Times of all sides, then how many times faster one is than another."""
    times, ratios = [], []
    for model, cases in speed.items():
        for name, case in cases.items():
            sides = case["sides"]
            for side, values in sides.items():
                low, high = values["lower_quartile_ms"], values["upper_quartile_ms"]
                kernels = " ".join(f"{v}x {k}" for k, v in values["matrix_products"].items())
                middle = f"{values['median_ms']:.2f}"
                times.append([model, name, side, middle, f"{low:.2f}-{high:.2f}", kernels])
            for slow, fast in RATIOS:
                if slow in sides and fast in sides:
                    time = sides[slow]["median_ms"] / sides[fast]["median_ms"]
                    flops = sides[slow]["multiply_adds"] / sides[fast]["multiply_adds"]
                    what = f"{slow} / {fast}"
                    ratios.append([model, name, what, f"{time:.2f}x", f"{flops:.2f}x"])
    print(f"\n{precision}")
    print(table(["model", "case", "side", "median ms", "quartiles", "matrix products"], times))
    print()
    print(table(["model", "case", "ratio", "time", "FLOPs"], ratios))


def print_probes(probes: dict[str, Any]) -> None:
    """Medians of all that was measured in fresh processes."""
    rows = []
    for precision, found in probes.items():
        for what, sides in found.items():
            for key in sides["ours"][0]:
                ours, dense = (median(v[key] for v in sides[s]) for s in ("ours", "dense"))
                ratio = f"{ours / dense:.2f}"
                rows.append([precision, f"{what}: {key}", f"{ours:.1f}", f"{dense:.1f}", ratio])
    print()
    print(table(["precision", "what", "ours", "dense", "ours / dense"], rows))
