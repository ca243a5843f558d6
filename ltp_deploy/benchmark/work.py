"""The multiply-adds that each runner spends on a case."""

from __future__ import annotations

from ltp_deploy.benchmark.runner import Layout, Runner
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.flops import engine_flops, padded_flops
from ltp_deploy.model.survivors import SurvivorProfile


def multiply_adds(
    runner: Runner, case: Case, config: EncoderConfig, profile: SurvivorProfile
) -> float:
    """Multiply-adds for all requests of `case` once.

    Args:
        profile: which tokens survive, for the sequences of `case` in their order.
    """
    if runner.layout is Layout.PADDED:
        return sum(padded_flops(config, r.sequences, int(r.lengths.max())) for r in case.requests)
    if runner.layout is Layout.ONE_BY_ONE:
        return sum(padded_flops(config, 1, int(n)) for n in case.lengths)
    alive = profile if runner.prunes else SurvivorProfile.unpruned(case.lengths, config.layers)
    layers = engine_flops(config, alive.carried(runner.carries), runner.carries)
    return len(case.lengths) * sum(layer.total for layer in layers)
