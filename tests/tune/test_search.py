"""The search for the most pruning inside a budget."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune import search
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import Point, evaluate
from ltp_deploy.tune.interval import drop_interval
from ltp_deploy.tune.search import FACTORS, MARGIN, PATIENCE, Candidate, Judge, Tuned, rising, tune
from tests.answers import random_batch
from tests.model.problems import tiny_encoder
from tests.properties import examples

NONE = LayerRule(Mode.NONE)
POLICY = PrunePolicy((NONE, LayerRule(Mode.ABSOLUTE, 0.02), LayerRule(Mode.ABSOLUTE, 0.04)))
DENSE = PrunePolicy.dense(3)


def task(
    policy: PrunePolicy = POLICY, texts: int = 120, **changes: int
) -> tuple[Encoder, TaskData, TaskData]:
    """A model, and two parts of data whose labels are what it answers without pruning."""
    encoder = tiny_encoder(policy, **changes)
    batch = random_batch([n % 15 + 3 for n in range(texts)], vocabulary=60)
    return encoder, *told(encoder, batch).divided(texts // 2, seed=1)


def told(encoder: Encoder, batch: PackedBatch) -> TaskData:
    dense = encoder.with_policy(PrunePolicy.dense(encoder.config.layers))
    logits = run_oracle(dense, batch).logits
    return TaskData(batch, logits.argmax(1) if logits.shape[1] > 1 else logits[:, 0])


@pytest.mark.parametrize("max_drop", [5.0, 15.0])
def test_a_dense_model_gets_thresholds_inside_its_budget(max_drop: float) -> None:
    encoder, data, other = task(DENSE)
    tuned = tune(encoder, data, other, max_drop)
    assert tuned.dense.score == 100.0
    assert (tuned.before, tuned.curve) == (None, ())
    assert tuned.path[0].policy == DENSE
    assert tuned.path[0].work == 1.0
    chosen = tuned.chosen
    assert chosen in tuned.path
    assert chosen.point == evaluate(encoder.with_policy(chosen.policy), data)
    assert 100.0 - chosen.point.score <= max_drop
    assert chosen.policy.prunes
    assert {rule.mode for rule in chosen.policy.layers} <= {Mode.NONE, Mode.RELATIVE}
    assert chosen.policy.layers[-1] == NONE
    works = [candidate.work for candidate in tuned.path]
    assert works == sorted(works, reverse=True)


def test_the_estimate_is_of_the_other_data() -> None:
    encoder, data, other = task(DENSE)
    tuned = tune(encoder, data, other, 10.0)
    estimate, policy = tuned.estimate, tuned.chosen.policy
    assert (tuned.searched, estimate.texts) == (len(data), len(other)) == (60, 60)
    assert estimate.dense == evaluate(encoder.with_policy(DENSE), other)
    assert estimate.pruned == evaluate(encoder.with_policy(policy), other)
    runs = [run_oracle(encoder.with_policy(p), other.batch).logits for p in (DENSE, policy)]
    assert estimate.changed == np.sum(runs[0].argmax(1) != runs[1].argmax(1))
    judge = Judge(encoder, data, 10.0)
    interval = drop_interval(judge.head, other.labels, runs[0], runs[1], None)
    assert (estimate.low, estimate.high) == pytest.approx(interval)
    assert estimate.low < estimate.drop < estimate.high
    assert estimate.drop == pytest.approx(100 * estimate.changed / 60)


def test_a_larger_budget_never_saves_less() -> None:
    encoder, data, other = task(DENSE)
    works = [tune(encoder, data, other, drop).chosen.work for drop in (3.0, 5.0, 15.0, 40.0)]
    assert works == sorted(works, reverse=True)
    assert works[0] > works[-1]


def test_a_model_with_thresholds_starts_from_the_best_factor() -> None:
    encoder, data, other = task()
    tuned = tune(encoder, data, other, 10.0)
    assert tuned.before == evaluate(encoder, data)
    assert [candidate.policy for candidate in tuned.curve] == [POLICY.scaled(f) for f in FACTORS]
    inside = [c for c in tuned.curve if 100.0 - c.point.score + MARGIN * c.error <= 10.0]
    start = max(inside, key=lambda candidate: candidate.point.flops_ratio)
    assert tuned.path[0] == start
    assert tuned.chosen.point.flops_ratio >= start.point.flops_ratio
    assert 100.0 - tuned.chosen.point.score <= 10.0
    assert {rule.mode for rule in tuned.chosen.policy.layers} <= {Mode.NONE, Mode.ABSOLUTE}


def test_a_layer_without_a_rule_gets_one_of_the_mode_of_the_others() -> None:
    encoder, data, other = task()
    path = tune(encoder, data, other, 60.0).path
    first = {candidate.policy.layers[0].mode for candidate in path}
    assert first == {Mode.NONE, Mode.ABSOLUTE}


@pytest.mark.parametrize(
    "rules",
    [
        (LayerRule(Mode.TOPK, 0.9), LayerRule(Mode.TOPK, 0.8), LayerRule(Mode.TOPK, 0.5)),
        (LayerRule(Mode.RELATIVE, 0.1), NONE, LayerRule(Mode.RELATIVE, 0.2)),
        (NONE, LayerRule(Mode.TOPK, 0.8), LayerRule(Mode.RELATIVE, 0.2)),
    ],
    ids=["topk", "relative", "mixed"],
)
@pytest.mark.parametrize("keep_first", [True, False], ids=["keep", "reference"])
def test_other_rules_are_tuned_too(rules: tuple[LayerRule, ...], keep_first: bool) -> None:
    encoder, data, other = task(PrunePolicy(rules, keep_first=keep_first))
    tuned = tune(encoder, data, other, 25.0)
    chosen = tuned.chosen
    assert chosen.point.flops_ratio > 1.0
    assert 100.0 - chosen.point.score <= 25.0
    assert chosen.policy.keep_first == keep_first
    oracle = run_oracle(encoder.with_policy(chosen.policy), data.batch)
    assert chosen.point.score == pytest.approx(
        100 * (oracle.logits.argmax(1) == data.labels).mean()
    )
    assert chosen.point.alive == oracle.profile.alive.mean(0).tolist()


def test_values_are_judged_by_correlation() -> None:
    encoder, data, other = task(DENSE, num_labels=1, head="regression")
    tuned = tune(encoder, data, other, 5.0)
    assert tuned.dense.metric == "pearson %"
    assert tuned.dense.score == pytest.approx(100)
    assert 95 <= tuned.chosen.point.score < 100
    assert tuned.chosen.policy.prunes
    assert tuned.estimate.changed is None
    assert tuned.estimate.change > 0


@pytest.mark.parametrize("policy", [PrunePolicy.dense(1), DENSE], ids=["one layer", "one token"])
def test_where_nothing_can_be_pruned_that_is_said(policy: PrunePolicy) -> None:
    encoder = tiny_encoder(policy)
    lengths = [1] * 20 if policy == DENSE else range(1, 21)
    data = told(encoder, random_batch(lengths, vocabulary=60))
    with pytest.raises(LtpError, match=f"nothing to prune in {len(policy.layers)} layers"):
        tune(encoder, data, data, 50.0)


def test_a_budget_that_the_texts_cannot_prove_is_refused() -> None:
    encoder, data, other = task(DENSE, texts=4)
    message = r"within 5 points on 2 texts: the gentlest loses 0.00, .* error of 35.36; give more"
    with pytest.raises(LtpError, match=message):  # 100 sqrt(2) / (2 + 2)
        tune(encoder, data, other, 5.0)
    with pytest.raises(LtpError, match="no pruning is surely enough within 0 points on 60 texts"):
        tune(*task(DENSE), 0.0)


def test_thresholds_that_fit_no_budget_are_given_up() -> None:
    wild = replace(POLICY, layers=(NONE, *[LayerRule(Mode.ABSOLUTE, 50.0)] * 2))
    encoder, data, other = task(wild)
    tuned = tune(encoder, data, other, 15.0)
    assert not any(c.point.score > 85.0 for c in tuned.curve)
    assert tuned.path[0].work == 1.0  # the walk starts anew
    assert tuned.chosen.point.flops_ratio > 1.0
    assert {r.mode for r in tuned.chosen.policy.layers if r.prunes} == {Mode.ABSOLUTE}
    with pytest.raises(LtpError, match="no pruning is surely enough within 0 points"):
        tune(encoder, data, other, 0.0)


def test_few_texts_prove_nothing_by_f1_either() -> None:
    """Where no answer of few texts changes, a bootstrap alone would call that certain."""
    encoder, data, other = task(DENSE, texts=20, num_labels=2)
    data.metric = other.metric = "f1"
    with pytest.raises(LtpError, match=r"the gentlest loses 0.00, with a standard error of 11.79"):
        tune(encoder, data, other, 1.0)


@pytest.mark.parametrize("part", [0, 1])
def test_a_score_that_is_undefined_is_refused_before_the_search(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(search, "Steps")
    encoder, *parts = task(DENSE, num_labels=1, head="regression")
    parts[part].labels = np.ones(60)
    with pytest.raises(LtpError, match="pearson is undefined where all labels are the same"):
        tune(encoder, *parts, 1.0)


def test_the_result_is_json() -> None:
    encoder, data, other = task()
    tuned = tune(encoder, data, other, 15.0, labelled=False)
    found = json.loads(json.dumps(tuned.to_dict(), allow_nan=False))
    assert set(found) == set(Tuned.__dataclass_fields__)
    assert found["chosen"]["policy"] == tuned.chosen.policy.to_config()
    assert [c["policy"] for c in found["path"]] == [c.policy.to_config() for c in tuned.path]
    assert len(found["curve"]) == len(FACTORS)
    assert found["estimate"]["texts"] == 60
    assert found["labelled"] is False


# How a walk is judged, with drops and errors that are given.


def candidate(drop: float, error: float = 0.0, work: float = 0.5) -> Candidate:
    return Candidate(POLICY, Point("accuracy %", 100.0 - drop, 1.5, []), error, work)


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Of a budget of 1 point and a dense score of 100."""
    encoder, data, _ = task(DENSE, texts=8)
    return Judge(encoder, data, 1.0)


def test_a_policy_fits_with_odds_of_two_to_one(judge: Judge) -> None:
    assert judge.fits(0.9, candidate(0.9, error=0.2))
    assert not judge.fits(0.9, candidate(0.9, error=0.3))
    assert judge.fits(0.0, candidate(0.0, error=99.0, work=1.0)), "no pruning always fits"


def chosen_of(judge: Judge, *candidates: Candidate) -> int:
    path = (candidate(0.0, work=1.0), *candidates)
    return next(i for i, c in enumerate(path) if c is judge.strongest(path))


def test_a_lucky_score_does_not_decide(judge: Judge) -> None:
    steps = [candidate(drop) for drop in (0.5, 0.9, 3.0, 2.0, 0.0, 4.0)]
    assert chosen_of(judge, *steps) == 2  # 3, 2 and 0 have the mean 1.67
    assert chosen_of(judge, *[candidate(drop) for drop in (0.5, 1.2, 0.6)]) == 3  # mean 0.9
    assert chosen_of(judge, candidate(1.5), candidate(2.0)) == 0
    assert chosen_of(judge) == 0


def test_gains_on_the_way_are_luck_and_do_not_pay_for_losses(judge: Judge) -> None:
    steps = [candidate(drop) for drop in (-0.9, -0.9, 0.5)]
    assert chosen_of(judge, *steps) == 2  # from a mean gain of 0.6 it is a loss of 1.1
    assert chosen_of(judge, *[candidate(drop) for drop in (-0.9, -0.9, 0.3)]) == 3


def test_the_chosen_policys_own_drop_is_inside_the_budget(judge: Judge) -> None:
    """The mean of both drops is 1; the first has another error than the second."""
    assert chosen_of(judge, candidate(2.0), candidate(0.0, error=5.0)) == 0


def test_a_walk_ends_after_some_policies_outside(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = iter([0.5, 2.0, 2.0, 0.5, *[2.0] * 9])
    monkeypatch.setattr(judge, "look", lambda policy: candidate(next(drops)))
    path = judge.walk(candidate(0.0, work=1.0), [POLICY] * 13)
    assert len(path) == 1 + 4 + PATIENCE
    drops = iter([0.5] * 5)
    assert len(judge.walk(candidate(0.0, work=1.0), [POLICY] * 5)) == 6


def test_a_walk_has_an_end_however_large_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_STEPS", 2)
    encoder, data, other = task(DENSE)
    assert len(tune(encoder, data, other, 1000.0).path) == 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        ([3.0, 2.0, 1.0], [2.0, 2.0, 2.0]),
        ([1.0, 3.0, 2.0, 4.0], [1.0, 2.5, 2.5, 4.0]),
        ([4.0, 1.0, 1.0, 3.0, 2.0], [2.0, 2.0, 2.0, 2.5, 2.5]),
        ([1.0, 5.0, 3.0, 0.0], [1.0, 8 / 3, 8 / 3, 8 / 3]),
        ([7.0], [7.0]),
    ],
)
def test_known_numbers_rise(values: list[float], expected: list[float]) -> None:
    assert rising(np.array(values)) == pytest.approx(expected)


@examples(100)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_numbers_rise_keep_their_mean_and_are_the_nearest(values: list[float]) -> None:
    given, found = np.array(values), rising(np.array(values))
    assert all(a <= b for a, b in pairwise(found.tolist()))
    assert found.mean() == pytest.approx(given.mean(), abs=1e-9)
    # Isotonic regression is the largest mean of a window that ends at or after a place, over those
    # that begin at or before it: max over begin of min over end.
    count = len(given)
    expected = [
        max(
            min(given[begin : end + 1].mean() for end in range(place, count))
            for begin in range(place + 1)
        )
        for place in range(count)
    ]
    assert found == pytest.approx(expected, abs=1e-9)
