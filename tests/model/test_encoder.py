"""The packed Encoder, in which pruned tokens are gone, answers as the masked oracle does."""

from itertools import pairwise

import numpy as np
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from tests.answers import batch_for, oracle_answers, packed_answers, pruned_tokens, reported
from tests.known import KnownCheckpoint
from tests.model.problems import policies, tiny_encoder
from tests.properties import examples

SEEDS = st.integers(0, 2**31)
LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=6)
TIE = 1e-5


@examples(200)
@given(policies(), LENGTHS, SEEDS)
def test_the_encoders_survivors_and_logits_are_the_oracles(
    policy: PrunePolicy, lengths: list[int], seed: int
) -> None:
    encoder = tiny_encoder(policy, seed)
    batch = batch_for(encoder, lengths, seed)
    assume(np.abs(run_oracle(encoder, batch).margins).min() > TIE)
    logits, survivors = oracle_answers(encoder, batch)
    found = packed_answers(encoder, encoder, batch)
    assert found[1] == survivors
    np.testing.assert_allclose(found[0], logits, atol=1e-4)


def test_random_policies_prune_in_every_layer_and_also_the_first_token() -> None:
    """The tests above and below would be empty otherwise."""
    drops, firsts = np.zeros(3), 0

    @settings(max_examples=60)
    @given(policies(), SEEDS)
    def count(policy: PrunePolicy, seed: int) -> None:
        nonlocal drops, firsts
        encoder = tiny_encoder(policy, seed)
        run = run_oracle(encoder, batch_for(encoder, [9, 14], seed))
        alive = run.survivors.sum((0, 2))
        drops += np.diff(-alive, prepend=-23) > 0
        firsts += int((~run.survivors[:, -1, 0]).sum())

    count()
    assert (drops > 10).all(), drops
    assert firsts > 10


@examples(40)
@given(policies(), LENGTHS, SEEDS)
def test_an_answer_does_not_depend_on_the_batch(
    policy: PrunePolicy, lengths: list[int], seed: int
) -> None:
    encoder = tiny_encoder(policy, seed)
    batch = batch_for(encoder, lengths, seed)
    assume(np.abs(run_oracle(encoder, batch).margins).min() > TIE)
    logits, survivors = packed_answers(encoder, encoder, batch)
    for i in range(batch.sequences):
        alone = packed_answers(encoder, encoder, batch.select([i]))
        assert alone[1] == [survivors[i]]
        np.testing.assert_allclose(alone[0][0], logits[i], atol=1e-4)


@examples(40)
@given(policies(), LENGTHS, SEEDS)
def test_a_kept_first_token_survives_every_layer(
    policy: PrunePolicy, lengths: list[int], seed: int
) -> None:
    encoder = tiny_encoder(policy.override(first_token="keep"), seed)
    _, survivors = packed_answers(encoder, encoder, batch_for(encoder, lengths, seed))
    assert all(layer[0] == 0 for layers in survivors for layer in layers)


def test_survivors_only_become_fewer() -> None:
    policy = PrunePolicy((LayerRule(Mode.ABSOLUTE, 0.9 / 20),) * 4, score_length=20)
    encoder = tiny_encoder(policy)
    batch = batch_for(encoder, [20, 17, 3])
    _, survivors = packed_answers(encoder, encoder, batch)
    assert pruned_tokens(batch, survivors) > 20
    for layers in survivors:
        for before, after in pairwise(layers):
            assert set(after) <= set(before)


def test_another_policy_shares_the_weights() -> None:
    encoder = tiny_encoder(PrunePolicy((LayerRule(Mode.TOPK, 0.5),) * 2))
    dense = encoder.with_policy(PrunePolicy.dense(2))
    assert dense.word.weight.data_ptr() == encoder.word.weight.data_ptr()
    batch = batch_for(encoder, [9, 4])
    assert pruned_tokens(batch, packed_answers(dense, dense, batch)[1]) == 0
    assert pruned_tokens(batch, packed_answers(encoder, encoder, batch)[1]) > 0


def test_a_token_that_is_pruned_still_served_as_a_key_in_its_layer() -> None:
    """With one layer, pruning everything but the first token changes no logit."""
    pruning = tiny_encoder(PrunePolicy((LayerRule(Mode.ABSOLUTE, 9.0),)))
    dense = pruning.with_policy(PrunePolicy.dense(1))
    batch = batch_for(pruning, [12, 5])
    logits, survivors = packed_answers(pruning, pruning, batch)
    assert survivors == [[[0]], [[0]]]
    np.testing.assert_allclose(logits, packed_answers(dense, dense, batch)[0], atol=1e-5)


def test_released_checkpoints_give_the_known_answers(
    known: KnownCheckpoint, known_oracle: OracleRun
) -> None:
    encoder = load_encoder(known.directory)
    logits, survivors = packed_answers(encoder, encoder, known.batch)
    assert survivors == reported(known_oracle.survivors)
    assert np.abs(logits - known_oracle.logits).max() < 1e-4
    assert np.abs(logits - known.logits).max() < 1e-4


def test_outputs_are_the_types_that_runtimes_expect() -> None:
    encoder = tiny_encoder(PrunePolicy((LayerRule(Mode.TOPK, 0.5),) * 2))
    feeds = batch_for(encoder, [4, 3]).feeds(encoder.config)
    logits, *trail = encoder(*(torch.from_numpy(a) for a in feeds.values()))
    assert (logits.shape, logits.dtype) == ((2, 3), torch.float32)
    assert {t.dtype for t in trail} == {torch.int32}
