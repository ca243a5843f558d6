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
from ltp_deploy.compiler.cost import T4, GpuCost, Work, dense_work
from ltp_deploy.compiler.plan import Plan, PlanRequest, make_plan
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.flops import padded_flops
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
# The constants that no published figure determines, at their worst: a host sync twice as long as
# users report, and attention at half of its rate, since this project's kernel has not run yet.
PESSIMISTIC = replace(T4, sync=2 * T4.sync, attention=T4.attention / 2)

HEADINGS = (
    "request",
    "dense GFLOP",
    "LTP GFLOP",
    "dense ms",
    "LTP ms",
    "speedup",
    "at worst",
    "compaction after",
    "bounded ms",
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
    return make_plan(
        PlanRequest(
            config,
            "fp16",
            compact=compact,
            usual_batch=len(lengths),
            profile=profile,
            gpu=gpu,
        )
    )


def planned_work(made: Plan) -> Work:
    """The sum of the work of all layers of a plan."""
    return sum((layer.work for layer in made.layers if layer.work), Work())


def row(
    config: EncoderConfig, name: str, lengths: np.ndarray, dense: Work, chosen: Plan
) -> list[str]:
    """One row of the first table.

    Args:
        name: of the request.
        lengths: [B], tokens of its sequences.
        dense: the work of the padded dense encoder.
        chosen: the plan for the request.
    """
    seconds = planned_work(chosen).seconds
    slow = planned_work(plan(config, lengths, PESSIMISTIC)).seconds
    bounded = planned_work(plan(config, lengths, T4, "bounded")).seconds
    sequences, longest = len(lengths), int(lengths.max())
    flops = sequences * sum(layer.flops.total for layer in chosen.layers if layer.flops)
    compacting = [str(i) for i, carry in enumerate(chosen.carries) if carry is Carry.SURVIVORS]
    return [
        name,
        f"{2e-9 * padded_flops(config, sequences, longest):.1f}",
        f"{2e-9 * flops:.1f}",
        f"{1e3 * dense.seconds:.2f}",
        f"{1e3 * seconds:.2f}",
        f"{dense.seconds / seconds:.2f}x",
        f"{dense.seconds / slow:.2f}x",
        ", ".join(compacting) or "no layer",
        f"{1e3 * bounded:.2f}",
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
        dense = dense_work(T4, config, np.full(len(lengths), lengths.max()))
        chosen = plan(config, lengths, T4)
        times.append(row(config, name, lengths, dense, chosen))
        counts += [
            counted(name, "dense, padded", dense),
            counted(name, "LTP", planned_work(chosen)),
        ]
    print(table(HEADINGS, times), table(COUNTED, counts), sep="\n\n")


if __name__ == "__main__":
    main()
