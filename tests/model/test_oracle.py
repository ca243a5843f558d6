"""The masked oracle is the released code, and what the definition says."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.model.oracle import decide
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import OracleRun, run_oracle
from tests.answers import random_batch
from tests.known import KnownCheckpoint
from tests.ltp import make
from tests.naive import released_model
from tests.released import MODES

OWN = Path(make.__file__).parent


def test_survivors_are_exactly_the_known_ones(
    known: KnownCheckpoint, known_oracle: OracleRun
) -> None:
    np.testing.assert_array_equal(known_oracle.survivors, known.survivors)
    assert known_oracle.survivors[:, -1].sum() < 0.8 * known.batch.lengths.sum()


def test_logits_are_the_known_ones(known: KnownCheckpoint, known_oracle: OracleRun) -> None:
    assert np.abs(known_oracle.logits - known.logits).max() < 1e-4


@pytest.mark.parametrize("mode", make.MODES)
def test_stored_answers_are_those_of_the_definition(mode: str) -> None:
    """And they cover what the policy `reference` is for: first tokens that are pruned."""
    expected = json.loads((OWN / mode / "expected.json").read_text())
    state = {n: t.numpy() for n, t in torch.load(OWN / "pytorch_model.bin").items()}
    for stored in expected:
        found, margin = make.answer(mode, state, stored["ids"])
        assert found["survivors"] == stored["survivors"]
        np.testing.assert_allclose(found["logits"], stored["logits"], atol=1e-6)
        assert margin > make.CLEAR
    finished = [0 not in stored["survivors"][-1] for stored in expected]
    assert 10 < sum(finished) < len(expected) - 10
    assert json.loads((OWN / mode / "config.json").read_text()) == make.config(mode)


@pytest.mark.parametrize("score_length", [128, 100])
@pytest.mark.parametrize("mode", MODES)
def test_released_checkpoints_mean_what_the_definition_says(
    mode: str | None, score_length: int, checkpoint_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("ltp", mode)
    encoder = load_encoder(checkpoint, score_length)
    batch = random_batch(types=2, seed=3)
    batch.input_ids[[4, 30]] = encoder.config.pad_token_id
    run = run_oracle(encoder, batch)

    state = {n: t.numpy() for n, t in torch.load(checkpoint / "pytorch_model.bin").items()}
    config = json.loads((checkpoint / "config.json").read_text())
    pruned = 0
    for i in range(batch.sequences):
        part = slice(batch.offsets[i], batch.offsets[i + 1])
        ids, types = batch.input_ids[part].tolist(), batch.token_type_ids[part].tolist()
        logits, survivors, _ = released_model(config, state, ids, types, score_length)
        np.testing.assert_allclose(run.logits[i], logits, atol=2e-5)
        assert [np.flatnonzero(layer).tolist() for layer in run.survivors[i]] == survivors
        pruned += len(ids) - len(survivors[-1])
    assert (pruned > 0) == (mode is not None)


def decided(
    mode: Mode,
    threshold: float,
    scores: list[float],
    alive: list[int] | None = None,
    length: int | None = None,
    heads: int = 1,
    **policy,
) -> tuple[list[int], list[float]]:
    """(who survives, margins) of one sequence with these summed scores."""
    rule = LayerRule(mode, threshold)
    keep, margin = decide(
        rule,
        PrunePolicy((rule,), **policy),
        heads,
        torch.tensor([scores]),
        torch.tensor([alive or [1] * len(scores)]).bool(),
        torch.tensor([length or len(scores)]),
    )
    return torch.nonzero(keep[0])[:, 0].tolist(), margin[0].tolist()


INF = float("inf")


@pytest.mark.parametrize(
    ("arguments", "survivors", "margins"),
    [
        # absolute: 1/(H*D) * score, D = 4 = the sequence's length
        ((Mode.ABSOLUTE, 0.2, [1, 0.25, 0.75, 2]), [0, 3], [INF, -0.6875, -0.0625, 1.5]),
        ((Mode.ABSOLUTE, 0.2, [0.2, 0.8, 0.4, 0.8]), [0, 1, 3], [INF, 0.0, -0.5, 0.0]),
        # relative: score / best score, the best of alive tokens
        ((Mode.RELATIVE, 0.5, [0.2, 1, 2, 4]), [0, 2, 3], [INF, -0.5, 0.0, 1.0]),
        ((Mode.RELATIVE, 0.5, [0.2, 1, 2, 9], [1, 1, 1, 0]), [0, 1, 2], [INF, 0.0, 1.0, INF]),
        # top-k: the rival is the nearest score that is decided the other way
        ((Mode.TOPK, 0.5, [0.1, 1, 2, 4]), [0, 3], [INF, -0.75, -0.5, 1.0]),
        ((Mode.TOPK, 0.5, [1, 1, 1, 1, 0.5, 0.5], [0, 1, 0, 1, 1, 1]), [1, 3, 4], None),
        ((Mode.NONE, 0.0, [0.0, 0.0, 0.0]), [0, 1, 2], [INF] * 3),
    ],
    ids=str,
)
def test_decisions_computed_by_hand(arguments, survivors, margins) -> None:
    found, distances = decided(*arguments)
    assert found == survivors
    if margins:
        np.testing.assert_allclose(distances, margins, rtol=1e-5, atol=1e-6)


def test_the_denominator_is_heads_times_score_length() -> None:
    scores = [24.0, 24.0, 23.9, 24.1]  # mean over 4 heads and D = 60: 0.1
    absolute = (Mode.ABSOLUTE, 0.1, scores)
    assert decided(*absolute, heads=4, score_length=60)[0] == [0, 1, 3]
    assert decided(*absolute, heads=4, length=60)[0] == [0, 1, 3]
    assert decided(*absolute, heads=4, score_length=61, length=60)[0] == [0]


def test_the_first_token_may_be_pruned_only_in_the_reference_policy() -> None:
    relative = (Mode.RELATIVE, 0.5, [0.2, 1, 2, 4])
    assert decided(*relative, keep_first=True)[0] == [0, 2, 3]
    assert decided(*relative, keep_first=False)[0] == [2, 3]


def test_top_k_rounds_half_to_even_and_counts_the_original_length() -> None:
    scores = [5.0, 4, 3, 2, 1]
    top = (Mode.TOPK, 0.5, scores)
    assert len(decided(*top)[0]) == 2  # 2.5 tokens
    assert len(decided(*top, length=7)[0]) == 4  # 3.5 tokens
    assert len(decided(*top, length=20)[0]) == 5
    assert decided(Mode.TOPK, 0.01, scores, keep_first=False)[0] == []
    assert decided(Mode.TOPK, 0.01, scores)[0] == [0]
