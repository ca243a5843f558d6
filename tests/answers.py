"""Batches, and the answers that the oracle and the packed model give on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import Engine
from ltp_deploy.runtime.result import make_result

Survivors = list[list[list[int]]]  # [sequence][layer]: original positions, ascending
LENGTHS = (25, 5, 1, 18, 2, 11, 25, 7)


def random_batch(
    lengths: Sequence[int] = LENGTHS, seed: int = 0, vocabulary: int = 90, types: int = 1
) -> PackedBatch:
    """Random tokens; ids start at 5, after the special ones."""
    rng = np.random.default_rng(seed)
    return pack(
        [rng.integers(5, vocabulary, n).tolist() for n in lengths],
        [rng.integers(0, max(types, 1), n).tolist() for n in lengths],
    )


def batch_for(encoder: Encoder, lengths: Sequence[int] = LENGTHS, seed: int = 0) -> PackedBatch:
    config = encoder.config
    return random_batch(lengths, seed, config.vocab_size, config.type_vocab_size)


def oracle_answers(encoder: Encoder, batch: PackedBatch) -> tuple[np.ndarray, Survivors]:
    """The oracle's logits and survivors; none once a sequence's first token is pruned."""
    run = run_oracle(encoder, batch)
    return run.logits, reported(run.survivors)


def assert_as_oracle(engine: Engine, encoder: Encoder, batch: PackedBatch) -> Survivors:
    """The engine has the oracle's survivors and logits; returns the survivors."""
    logits, survivors = oracle_answers(encoder, batch)
    result = engine.run(batch)
    assert as_lists(result.survivors) == survivors
    np.testing.assert_allclose(result.logits, logits, atol=1e-4)
    return survivors


def reported(survivors: np.ndarray) -> Survivors:
    """The oracle's survivors [N, L, n] as engines report them."""
    return [
        [np.flatnonzero(alive).tolist() if alive[0] else [] for alive in layers]
        for layers in survivors
    ]


def packed_answers(
    module: nn.Module, encoder: Encoder, batch: PackedBatch
) -> tuple[np.ndarray, Survivors]:
    """What the packed Encoder, or a graph traced from it, says."""
    feeds = {name: torch.from_numpy(a) for name, a in batch.feeds(encoder.config).items()}
    with torch.inference_mode():
        logits, *trail = module(*feeds.values())
    names = [
        f"survivors.{i}.{part}"
        for i in range(encoder.config.layers)
        for part in ("kept", "offsets", "alive")
    ]
    outputs = {"logits": logits, **dict(zip(names, trail, strict=True))}
    result = make_result(
        {k: v.numpy() for k, v in outputs.items()}, batch, encoder.config, survivors=True
    )
    return result.logits, as_lists(result.survivors)


def as_lists(survivors: Sequence[Sequence[np.ndarray]] | None) -> Survivors:
    assert survivors is not None
    return [[kept.tolist() for kept in layers] for layers in survivors]


def pruned_tokens(batch: PackedBatch, survivors: Survivors) -> int:
    """How many tokens are gone after the last layer."""
    return int(batch.lengths.sum()) - sum(len(layers[-1]) for layers in survivors)
