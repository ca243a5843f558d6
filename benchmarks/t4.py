"""Print the tables of docs/t4.md: `python benchmarks/t4.py`.

They hold what the cost model of `ltp_deploy/compiler/cost.py` predicts for a T4. Nothing is
measured, and no GPU is needed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cases import assumed_profile, mixed_lengths
from random_model import ROBERTA_BASE, a21, configuration

from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.compiler.cost import GpuCost, Work, dense_time, dense_work
from ltp_deploy.compiler.plan import Plan, PlanRequest, make_plan
from ltp_deploy.compiler.t4 import T4, T4_INT8
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry
from ltp_deploy.report.table import table

CASES = {
    "1 x 128": np.full(1, 128),
    "8 x 128": np.full(8, 128),
    "32 x 128": np.full(32, 128),
    "1 x 384": np.full(1, 384),
    "8 x 384": np.full(8, 384),
    "32 x 384": np.full(32, 384),
    "mixed": mixed_lengths(),
}

HEADINGS = (
    "request",
    "precision",
    "dense, padded",
    "dense, unpadded",
    "LTP",
    "speedup",
    "at worst",
    "nothing left",
    "bounded",
    "compaction after",
)
COUNTED = ("request", "engine", "GFLOP counted", "MB moved", "launches", "host syncs")


def encoder() -> EncoderConfig:
    """RoBERTa-base with the survivor profile of benchmarks/cpu.py."""
    given = configuration(ROBERTA_BASE, a21(ROBERTA_BASE.layers)).to_dict()
    family = FAMILIES["roberta"]
    policy = family.policy(given, {}, ROBERTA_BASE.layers)
    shape = family.shape(given)
    return EncoderConfig(
        family="roberta", head="classification", num_labels=2, labels=(), policy=policy, **shape
    )


def plan(config: EncoderConfig, lengths: np.ndarray, gpu: GpuCost, compact: str = "auto") -> Plan:
    """The plan for a request of sequences of these lengths [B]."""
    profile = assumed_profile(config.policy, lengths)
    request = PlanRequest(config, "fp16", compact=compact, usual_batch=len(lengths))
    return make_plan(replace(request, profile=profile, gpu=gpu))


def predicted(made: Plan) -> float:
    """Seconds of a request."""
    assert made.prediction is not None
    return made.prediction.seconds


def pessimistic(gpu: GpuCost) -> GpuCost:
    """What no published figure determines, at its worst: host syncs, and the change of shapes at
    each request, twice as long, and this project's attention, which has not run yet, at half of its
    rate."""
    return replace(
        gpu,
        sync=2 * gpu.sync,
        request=2 * gpu.request,
        attention=gpu.attention / 2,
        key=2 * gpu.key,
    )


def planned_work(made: Plan) -> Work:
    """The sum of the work of all layers of a plan."""
    return sum((layer.work for layer in made.layers if layer.work), Work())


def padded(lengths: np.ndarray) -> np.ndarray:
    """The lengths [B] of the same sequences with padding."""
    return np.full(len(lengths), lengths.max())


def row(
    config: EncoderConfig, name: str, lengths: np.ndarray, precision: str, gpu: GpuCost
) -> list[str]:
    """One row of the first table; lengths are those of the request `name`, [B]."""
    unpadded, chosen = dense_time(gpu, config, lengths), plan(config, lengths, gpu)
    ours, bounded = predicted(chosen), predicted(plan(config, lengths, gpu, "bounded"))
    slow = predicted(plan(config, lengths, pessimistic(gpu)))
    compacting = [str(i) for i, carry in enumerate(chosen.carries) if carry is Carry.SURVIVORS]
    nothing = dense_time(gpu, config, np.ones(1))
    times = [dense_time(gpu, config, padded(lengths)), unpadded, ours]
    return [
        name,
        precision,
        *(f"{1e3 * time:.2f}" for time in times),
        f"{unpadded / ours:.2f}x",
        f"{unpadded / slow:.2f}x",
        f"{unpadded / nothing:.2f}x",
        f"{1e3 * bounded:.2f}",
        ", ".join(compacting) or ("bounded" if Carry.BOUNDED in chosen.carries else "no layer"),
    ]


def counted(name: str, engine: str, work: Work) -> list[str]:
    """One row of the second table: what the time of one engine on a request is made of."""
    return [
        name,
        engine,
        f"{1e-9 * work.flops:.1f}",
        f"{1e-6 * work.moved:.0f}",
        str(work.launches),
        str(work.syncs),
    ]


def main() -> None:
    """Print both tables."""
    config = encoder()
    times, counts = [], []
    for name, lengths in CASES.items():
        for precision, gpu in (("fp16", T4), ("int8", T4_INT8)):
            times.append(row(config, name, lengths, precision, gpu))
        counts += [
            counted(name, "dense, padded", dense_work(T4, config, padded(lengths))),
            counted(name, "dense, unpadded", dense_work(T4, config, lengths)),
            counted(name, "LTP", planned_work(plan(config, lengths, T4))),
        ]
    print(table(HEADINGS, times), table(COUNTED, counts), sep="\n\n")


if __name__ == "__main__":
    main()
