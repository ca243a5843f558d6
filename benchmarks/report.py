"""Print the figures of cpu.py as tables."""

from __future__ import annotations

from statistics import median
from typing import Any

from speed import DENSE, DENSE_BESIDE_F32, DENSE_F32, OURS, OURS_F32, UNPRUNED, WHOLE

from ltp_deploy.report.table import table

# (slow, fast): each ratio is the time of the first over the time of the second.
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
    """Print the times of all runners, then how many times faster one is than another."""
    times, ratios = [], []
    for model, cases in speed.items():
        for name, case in cases.items():
            runners = case["sides"]
            for runner, values in runners.items():
                low, high = values["lower_quartile_ms"], values["upper_quartile_ms"]
                kernels = " ".join(f"{v}x {k}" for k, v in values["matrix_products"].items())
                middle = f"{values['median_ms']:.2f}"
                times.append([model, name, runner, middle, f"{low:.2f}-{high:.2f}", kernels])
            for slow, fast in RATIOS:
                if slow in runners and fast in runners:
                    time = runners[slow]["median_ms"] / runners[fast]["median_ms"]
                    flops = runners[slow]["multiply_adds"] / runners[fast]["multiply_adds"]
                    what = f"{slow} / {fast}"
                    ratios.append([model, name, what, f"{time:.2f}x", f"{flops:.2f}x"])
    print(f"\n{precision}")
    print(table(["model", "case", "runner", "median ms", "quartiles", "matrix products"], times))
    print()
    print(table(["model", "case", "ratio", "time", "FLOPs"], ratios))


def print_probes(probes: dict[str, Any]) -> None:
    """Print the medians of everything that was measured in fresh processes."""
    rows = []
    for precision, found in probes.items():
        for what, models in found.items():
            for key in models["ours"][0]:
                ours, dense = (median(v[key] for v in models[m]) for m in ("ours", "dense"))
                ratio = f"{ours / dense:.2f}"
                rows.append([precision, f"{what}: {key}", f"{ours:.1f}", f"{dense:.1f}", ratio])
    print()
    print(table(["precision", "what", "ours", "dense", "ours / dense"], rows))
