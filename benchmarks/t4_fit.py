"""Fit the cost model's constants of a T4 to all published figures: `python benchmarks/t4_fit.py`.

Prints the constants, which `ltp_deploy/compiler/t4.py` holds rounded, and how far the model is from
what was published (`t4_published.py`): on all points, and on each third of them after a fit to the
other two. Writes results/t4-fit.json. No GPU is needed; it takes seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares
from t4_published import LAUNCHES, TABLES, Table, modelled, rms

from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.compiler.t4 import T4, T4_INT8
from ltp_deploy.report.table import table

RESULTS = Path(__file__).parent / "results" / "t4-fit.json"
THIRDS = 3
# TensorRT is the library that runs our engines.
WEIGHTS = {"TensorRT": 1.6, "FasterTransformer": 1.0}
POWER = 1.25  # of the errors, whose squares are summed: above 1, the largest count for more


@dataclass(frozen=True)
class Constants:
    """What is fitted, see `GpuCost`; the fit begins at what is there."""

    flops: float = T4.flops
    flops_int8: float = T4_INT8.flops
    bandwidth: float = T4.bandwidth
    dense_attention: float = T4.dense_attention or T4.attention
    launch: float = T4.launch
    launch_faster_transformer: float = LAUNCHES["fp16"]
    launch_faster_transformer_int8: float = LAUNCHES["int8"]

    def gpu(self, library: str, precision: str) -> GpuCost:
        int8 = precision == "int8"
        theirs = self.launch_faster_transformer_int8 if int8 else self.launch_faster_transformer
        return replace(
            T4_INT8 if int8 else T4,
            flops=self.flops_int8 if int8 else self.flops,
            bandwidth=self.bandwidth,
            dense_attention=self.dense_attention,
            launch=self.launch if library == "TensorRT" else theirs,
        )


def fit(tables: list[Table]) -> Constants:
    """The constants of least error."""
    start = np.log([getattr(Constants(), field.name) for field in fields(Constants)])

    def residuals(logs: np.ndarray) -> np.ndarray:
        gpu = Constants(*np.exp(logs).tolist()).gpu
        errors = [WEIGHTS[each.library] * each.errors(gpu) for each in tables]
        weighted = np.concatenate(errors)
        return np.sign(weighted) * np.abs(weighted) ** POWER

    return Constants(*np.exp(least_squares(residuals, start).x).tolist())


def held_out() -> list[list[float]]:
    """For each table the errors on its points, each after a fit without its third of them."""
    errors = [np.zeros(len(each.points)) for each in TABLES]
    for third in range(THIRDS):
        rest = [replace(t, points=_without(t, third)) for t in TABLES]
        gpu = fit(rest).gpu
        for found, each in zip(errors, TABLES, strict=True):
            found[third::THIRDS] = replace(each, points=each.points[third::THIRDS]).errors(gpu)
    return [found.tolist() for found in errors]


def _without(given: Table, third: int) -> tuple[tuple[np.ndarray, float], ...]:
    return tuple(point for i, point in enumerate(given.points) if i % THIRDS != third)


def main() -> None:
    """Fit, print, write."""
    constants = fit(list(TABLES))
    unseen = held_out()
    print(table(("constant", "fitted"), [(k, f"{v:.3g}") for k, v in asdict(constants).items()]))
    rows, found = [], []
    for each, out in zip(TABLES, unseen, strict=True):
        kinds = {
            "fitted": each.errors(constants.gpu),
            "as shipped": each.errors(modelled),
            "held out": np.array(out),
        }
        found.append({"table": each.name, **{k: e.round(4).tolist() for k, e in kinds.items()}})
        told = [f"{100 * rms(e):.1f} / {100 * np.abs(e).max():.1f}" for e in kinds.values()]
        rows.append([each.name, str(len(each.points)), *told])
    print(table(("rms / worst error in %", "points", *kinds), rows))
    document = {"constants": asdict(constants), "errors": found}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
