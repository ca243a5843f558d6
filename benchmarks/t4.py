"""What the cost model of `ltp_deploy/compiler/cost.py` predicts for a T4: `python benchmarks/t4.py`
prints the table of docs/t4.md. Nothing is measured, no GPU is needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from cases import mixed_lengths
from random_model import ROBERTA_BASE, a21

from ltp_deploy.compiler.cost import T4, GpuCost, dense_time
from ltp_deploy.compiler.plan import Prediction, make_plan
from ltp_deploy.config import EncoderConfig
from ltp_deploy.pruning.flops import engine_flops
from ltp_deploy.pruning.policy import Carry, LayerRule, Mode, PrunePolicy
from ltp_deploy.pruning.profile import SurvivorProfile
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
# The constants that nothing published pins down, at their worst: a wait of the host twice as long
# as users report, and attention at half of its rate, since our kernel has not run yet.
PESSIMISTIC = replace(T4, sync=2 * T4.sync, attention=T4.attention / 2)

HEADINGS = (
    "request",
    "GFLOP dense",
    "GFLOP LTP",
    "dense, padded, ms",
    "LTP, ms",
    "times faster",
    "at worst",
    "rows removed behind",
    "never waiting, ms",
)


def encoder() -> EncoderConfig:
    """RoBERTa-base with the survivor profile of benchmarks/cpu.py."""
    rules = tuple(LayerRule(Mode.TOPK, rate) for rate in a21(ROBERTA_BASE.layers))
    return EncoderConfig(
        family="roberta",
        layers=ROBERTA_BASE.layers,
        hidden_size=ROBERTA_BASE.hidden,
        heads=ROBERTA_BASE.heads,
        intermediate_size=4 * ROBERTA_BASE.hidden,
        vocab_size=ROBERTA_BASE.vocabulary,
        position_rows=514,
        type_vocab_size=1,
        num_labels=2,
        labels=(),
        activation="gelu",
        head_activation="tanh",
        layer_norm_eps=1e-5,
        embedding_size=ROBERTA_BASE.hidden,
        pad_token_id=1,
        position_start=2,
        padding_skips=True,
        policy=PrunePolicy(rules),
    )


def survivors(config: EncoderConfig, lengths: np.ndarray) -> SurvivorProfile:
    """What top-k at these rates leaves of sequences of these lengths [B]."""
    rates = np.array([1.0, *(rule.threshold for rule in config.policy.layers)])
    alive = np.maximum(1, np.rint(lengths[:, None] * rates)).astype(np.int64)
    return SurvivorProfile(alive, np.zeros((len(lengths), config.layers), bool))


def row(config: EncoderConfig, name: str, lengths: np.ndarray) -> list[str]:
    """One request in all columns."""
    profile = survivors(config, lengths)
    padded = np.full(len(lengths), lengths.max())
    dense = SurvivorProfile.unpruned(padded, config.layers)

    def plan(gpu: GpuCost, compact: str = "auto") -> tuple[Prediction, tuple[Carry, ...]]:
        made = make_plan(
            config, "fp16", profile=profile, compact=compact, gpu=gpu, usual_batch=len(lengths)
        )
        assert made.prediction is not None
        return made.prediction, made.carries

    def gflop(request: SurvivorProfile, carries: tuple[Carry, ...]) -> str:
        layers = engine_flops(config, request.carried(carries), carries)
        return f"{2e-9 * len(lengths) * sum(layer.total for layer in layers):.1f}"

    chosen, carries = plan(T4)
    slow, _ = plan(PESSIMISTIC)
    bounded, _ = plan(T4, "bounded")
    dense_seconds = dense_time(T4, config, padded)
    removing = [str(i) for i, carry in enumerate(carries) if carry is Carry.SURVIVORS]
    return [
        name,
        gflop(dense, (Carry.ALL,) * config.layers),
        gflop(profile, carries),
        f"{1e3 * dense_seconds:.2f}",
        f"{1e3 * chosen.seconds:.2f}",
        f"{dense_seconds / chosen.seconds:.2f}x",
        f"{dense_seconds / slow.seconds:.2f}x",
        ", ".join(removing) or "no layer",
        f"{1e3 * bounded.seconds:.2f}",
    ]


def rows() -> list[list[str]]:
    """The whole table."""
    config = encoder()
    return [row(config, name, lengths) for name, lengths in CASES.items()]


if __name__ == "__main__":
    print(table(list(HEADINGS), rows()))
