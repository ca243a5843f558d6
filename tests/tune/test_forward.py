"""Forward passes that take pruned tokens out, against the oracle, which masks them."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from ltp_deploy.tune import forward
from ltp_deploy.tune.forward import Forward, Run, by_policy, compacted
from tests.answers import random_batch
from tests.model.problems import policies, tiny_encoder
from tests.properties import examples

LENGTHS = (9, 1, 17, 5, 2, 13, 9, 20)
CLEAR = 1e-4  # scores closer to their threshold may be decided differently by rounding


def assert_as_oracle(run: Run, oracle: OracleRun) -> None:
    np.testing.assert_array_equal(run.profile.alive, oracle.profile.alive)
    np.testing.assert_array_equal(run.profile.finished, oracle.profile.finished)
    np.testing.assert_allclose(run.logits, oracle.logits, atol=1e-4)


def task(policy: PrunePolicy, seed: int = 0) -> tuple[Encoder, PackedBatch, OracleRun]:
    encoder = tiny_encoder(policy, seed)
    batch = random_batch(LENGTHS, seed, vocabulary=60, types=2)
    return encoder, batch, run_oracle(encoder, batch)


RULES = {
    "absolute": (LayerRule(Mode.ABSOLUTE, 0.06), LayerRule(Mode.ABSOLUTE, 0.09)),
    "relative": (LayerRule(Mode.RELATIVE, 0.7), LayerRule(Mode.RELATIVE, 0.8)),
    "topk": (LayerRule(Mode.TOPK, 0.7), LayerRule(Mode.TOPK, 0.4)),
    "none": (LayerRule(Mode.NONE), LayerRule(Mode.NONE)),
}


@pytest.mark.parametrize("keep_first", [True, False], ids=["keep", "reference"])
@pytest.mark.parametrize("mode", RULES)
def test_each_mode_gives_the_answers_and_counts_of_the_oracle(mode: str, keep_first: bool) -> None:
    rules = (*RULES[mode], LayerRule(Mode.NONE))
    encoder, batch, oracle = task(PrunePolicy(rules, keep_first=keep_first))
    assert oracle.survivors[:, :, 0].all() == (keep_first or mode == "none")
    with mock.patch.object(forward, "BATCH", 3):
        run = Forward(encoder, batch)
        assert len(run.batches) == 3
        assert_as_oracle(run.run(by_policy(encoder.config.policy)), oracle)


@examples(50)
@given(policies(tokens=10), st.integers(0, 2**16))
def test_any_policy_gives_the_answers_and_counts_of_the_oracle(
    policy: PrunePolicy, seed: int
) -> None:
    encoder, batch, oracle = task(policy, seed)
    assume(np.abs(oracle.margins).min() > CLEAR)
    assert_as_oracle(Forward(encoder, batch).run(by_policy(policy)), oracle)


@examples(50)
@given(policies(tokens=10), policies(tokens=10), st.integers(0, 2))
def test_from_a_middle_layer_on_the_answers_are_those_of_a_whole_run(
    policy: PrunePolicy, other: PrunePolicy, first: int
) -> None:
    """`other` has its own rules from layer `first` on."""
    other = replace(policy, layers=(*policy.layers[:first], *other.layers[first:]))
    encoder, batch, oracle = task(other)
    assume(np.abs(oracle.margins).min() > CLEAR)
    with mock.patch.object(forward, "BATCH", 3):
        passes = Forward(encoder, batch)
    states = passes.run(by_policy(policy), record=True).states
    assert len(states) == 3
    found = passes.run(by_policy(other), first, states[first])
    assert_as_oracle(found, oracle)
    assert found.states == []
    whole = passes.run(by_policy(other))
    np.testing.assert_array_equal(found.logits, whole.logits)
    np.testing.assert_array_equal(found.profile.alive, whole.profile.alive)


def test_pruned_tokens_are_not_computed() -> None:
    policy = PrunePolicy((LayerRule(Mode.TOPK, 0.5), LayerRule(Mode.TOPK, 0.25)))
    run = Forward(tiny_encoder(policy), random_batch((12, 16), vocabulary=60))
    ((first,), (second,)) = run.run(by_policy(policy), record=True).states
    assert (first.x.shape[:2], second.x.shape[:2]) == ((2, 16), (2, 8))
    assert second.lengths.tolist() == [12, 16]
    assert [count.tolist() for count in second.counts] == [[6, 8]]


def test_compaction_keeps_the_order_and_the_first_token() -> None:
    alive = torch.tensor([[0, 0, 1, 0, 1], [1, 0, 0, 0, 1], [1, 0, 0, 0, 0]], dtype=torch.bool)
    places = torch.arange(15.0).reshape(3, 5, 1)
    left, moved, again = compacted(alive, places, 2 * places)
    assert left.tolist() == [[False, True, True], [True, True, False], [True, False, False]]
    present = [row[: int(n)].tolist() for row, n in zip(moved[..., 0], (3, 2, 1), strict=True)]
    assert present == [[0, 2, 4], [5, 9], [10]]
    torch.testing.assert_close(again, 2 * moved)
    everything = torch.ones(2, 3, dtype=torch.bool)
    assert compacted(everything)[0] is everything
