"""The walk of a policy towards more pruning, each step worked out again by the oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.forward import Decide, Forward, Run
from ltp_deploy.tune.steps import LEAST_SAVED, SHARE, Step, Steps, between, engine_work
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE = LayerRule(Mode.NONE)
DENSE = PrunePolicy.dense(3)
LENGTHS = [n % 14 + 6 for n in range(24)]
STARTS = {
    "dense": DENSE,
    "absolute": PrunePolicy((NONE, LayerRule(Mode.ABSOLUTE, 0.04), LayerRule(Mode.ABSOLUTE, 0.05))),
    "score length": PrunePolicy((LayerRule(Mode.ABSOLUTE, 0.02),) * 3, score_length=40),
    "relative": PrunePolicy((NONE, LayerRule(Mode.RELATIVE, 0.1), LayerRule(Mode.RELATIVE, 0.2))),
    "topk": PrunePolicy((LayerRule(Mode.TOPK, 0.9), LayerRule(Mode.TOPK, 0.8), NONE)),
    "reference": PrunePolicy((LayerRule(Mode.RELATIVE, 0.2), NONE, NONE), keep_first=False),
}


def task(start: PrunePolicy) -> tuple[Encoder, PackedBatch]:
    return tiny_encoder(start), random_batch(LENGTHS, vocabulary=60)


def walk(name: str, most: int = 12) -> list[Step]:
    encoder, batch = task(STARTS[name])
    mode = next((rule.mode for rule in STARTS[name].layers if rule.prunes), Mode.RELATIVE)
    return list(islice(Steps(encoder, batch, STARTS[name], mode), most))


def measured(encoder: Encoder, batch: PackedBatch, policy: PrunePolicy) -> tuple[float, float]:
    """The change of the answers and the work, by the oracle."""
    runs = [run_oracle(encoder.with_policy(p), batch) for p in (PrunePolicy.dense(3), policy)]
    powers = [np.exp(run.logits.astype(np.float64)) for run in runs]
    dense, pruned = (power / power.sum(1, keepdims=True) for power in powers)
    change = float((dense * np.log(dense / pruned)).sum(1).mean())
    return change, engine_work(encoder.config, runs[1].profile)


def test_the_work_of_an_engine_is_counted_by_hand() -> None:
    """Layer 0 keeps some tokens; of the last layer only the first token is finished. A finished
    sequence has one row, whatever else is alive."""
    config = tiny_encoder(PrunePolicy.dense(2), heads=4).config
    d, inner = config.hidden_size, config.intermediate_size
    wide = config.context_size  # of queries, keys, values and contexts, with the padding of heads

    def layer(entering: int, leaving: int, queries: int) -> int:
        products = 3 * d * wide * entering + 2 * wide * queries * entering
        return products + d * wide * leaving + 2 * d * inner * leaving

    alive = np.array([[10, 4, 3], [7, 0, 0], [9, 6, 2]])
    finished = np.array([[False, False], [True, True], [True, True]])
    dense = sum(layer(n, n, n) + layer(n, 1, 1) for n in (10, 7, 9))
    pruned = layer(10, 4, 10) + layer(4, 1, 1)
    pruned += layer(7, 1, 7) + layer(1, 1, 1)
    pruned += layer(9, 1, 9) + layer(1, 1, 1)
    work = engine_work(config, SurvivorProfile(alive, finished))
    assert work == pytest.approx(pruned / dense)
    unpruned = SurvivorProfile.unpruned(alive[:, 0], 2)
    assert engine_work(config, unpruned) == 1.0
    last = replace(unpruned, alive=np.array([[10, 10, 1], [7, 7, 1], [9, 9, 1]]))
    assert engine_work(config, last) == 1.0, "the last layer's rule saves an engine nothing"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(26), 2.5),  # the quantile is 3 itself
        (range(20), 2.5),
        ([5.0, 1.0], 3.0),
        ([1.0, 1.0, 1.0, 1.0, 2.0], 1.5),
        ([1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 1.5),
        ([0.0, *[1.0] * 50, 2.0], 0.5),
        ([7.0, 7.0], None),
        ([7.0], None),
        ([], None),
    ],
)
def test_a_threshold_lies_between_two_scores(values: list[float], expected: float | None) -> None:
    found = between(np.array(values, np.float32), SHARE)
    assert found == expected


@pytest.mark.parametrize("name", STARTS)
def test_every_step_prunes_more_in_one_layer(name: str) -> None:
    start, steps = STARTS[name], walk(name)
    assert len(steps) == 12
    policies = [start, *(step.policy for step in steps)]
    mode = next((rule.mode for rule in start.layers if rule.prunes), Mode.RELATIVE)
    for before, after in pairwise(policies):
        ((index, old, new),) = [
            (i, a, b)
            for i, (a, b) in enumerate(zip(before.layers, after.layers, strict=True))
            if a != b
        ]
        assert index < 2, "no answer depends on what the last layer prunes"
        assert new.mode is mode
        if old.prunes:
            more = old.threshold < new.threshold
            assert more == (mode is not Mode.TOPK)
        assert replace(after, layers=before.layers) == before, "conventions stay"
    works = [1.0, *(step.work for step in steps)]
    assert all(a - b > LEAST_SAVED for a, b in pairwise(works))


@pytest.mark.parametrize("name", STARTS)
def test_what_a_step_says_is_what_the_oracle_says(name: str) -> None:
    encoder, batch = task(STARTS[name])
    if name == "reference":
        assert run_oracle(encoder, batch).profile.finished.any()
    for step in walk(name, most=4):
        # A threshold lies between two scores, or, as a keep rate, decides by rank.
        change, work = measured(encoder, batch, step.policy)
        assert step.change == pytest.approx(change, rel=1e-3, abs=1e-6)
        assert step.work == pytest.approx(work)


def test_a_step_takes_the_layer_that_changes_least_for_what_it_saves() -> None:
    encoder, batch = task(DENSE)
    found, policy = walk("dense", most=6), DENSE
    indices = set()
    for step in found:
        options = []
        for i in range(2):
            # Against a threshold of 1 the margin of a relative score is the score, less 1.
            probe = replace(policy, layers=_with(policy, i, LayerRule(Mode.RELATIVE, 1.0)))
            scores = 1 + run_oracle(encoder.with_policy(probe), batch).margins[:, i]
            kept = scores[np.isfinite(scores) & (scores >= policy.layers[i].threshold)]
            place = int(np.ceil(np.quantile(np.arange(len(kept)), SHARE)))
            rule = LayerRule(Mode.RELATIVE, float(np.sort(kept)[place - 1 : place + 1].mean()))
            candidate = replace(policy, layers=_with(policy, i, rule))
            options.append((candidate, *measured(encoder, batch, candidate)))
        change, work = measured(encoder, batch, policy)
        prices = [(c - change) / (work - w) for _, c, w in options]
        best = int(np.argmin(prices))
        indices.add(best)
        assert abs(prices[0] - prices[1]) > 1e-6, "both layers would do"
        policy = options[best][0]
        thresholds = [rule.threshold for rule in step.policy.layers]
        assert thresholds == pytest.approx([rule.threshold for rule in policy.layers], rel=1e-5)
        policy = step.policy
    assert indices == {0, 1}


def _with(policy: PrunePolicy, index: int, rule: LayerRule) -> tuple[LayerRule, ...]:
    return (*policy.layers[:index], rule, *policy.layers[index + 1 :])


def test_a_layer_drops_its_share_of_what_it_kept() -> None:
    encoder, batch = task(DENSE)
    (step,) = walk("dense", most=1)
    (index,) = [i for i, rule in enumerate(step.policy.layers) if rule.prunes]
    alive = run_oracle(encoder.with_policy(step.policy), batch).profile.alive
    droppable = int(batch.lengths.sum()) - batch.sequences  # first tokens are kept
    dropped = batch.lengths.sum() - alive[:, index + 1].sum()
    assert dropped == pytest.approx(SHARE * droppable, abs=1)
    assert not step.policy.layers[-1].prunes


def test_a_walk_ends_where_nothing_is_left_to_drop() -> None:
    encoder, batch = task(DENSE)
    steps = list(Steps(encoder, batch, DENSE, Mode.RELATIVE))
    assert 12 < len(steps) < 80
    alive = run_oracle(encoder.with_policy(steps[-1].policy), batch).profile.alive
    assert alive[:, -1].max() <= 2


@pytest.mark.parametrize("mode", [Mode.ABSOLUTE, Mode.RELATIVE, Mode.TOPK])
def test_a_model_of_one_layer_has_nothing_to_prune(mode: Mode) -> None:
    start = PrunePolicy.dense(1)
    batch = random_batch(LENGTHS, vocabulary=60)
    assert list(Steps(tiny_encoder(start), batch, start, mode)) == []


def test_the_change_of_values_is_their_squared_difference() -> None:
    encoder = tiny_encoder(DENSE, num_labels=1, head="regression")
    batch = random_batch(LENGTHS, vocabulary=60)
    (step,) = islice(Steps(encoder, batch, DENSE, Mode.RELATIVE), 1)
    dense, pruned = (run_oracle(encoder.with_policy(p), batch).logits for p in (DENSE, step.policy))
    assert step.change == pytest.approx(((dense - pruned) ** 2).mean(), rel=1e-3)
    assert step.change > 0


def test_most_layers_are_not_run_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each run begins at the layer that changes."""
    start, firsts = PrunePolicy.dense(6), []
    run = Forward.run

    def counted(self: Forward, decision: Decide, first: int = 0, *given: Any, **named: Any) -> Run:
        firsts.append(first)
        return run(self, decision, first, *given, **named)

    monkeypatch.setattr(Forward, "run", counted)
    encoder, batch = task(start)
    steps = list(islice(Steps(encoder, batch, start, Mode.RELATIVE), 12))
    assert firsts[:7] == [0, 0, 0, 1, 2, 3, 4], "without pruning, the start, and every layer once"
    assert len(firsts) < 7 + 11 * 3
    used = {i for step in steps for i, rule in enumerate(step.policy.layers) if rule.prunes}
    assert len(used) > 2
    for step in steps:
        alive = run_oracle(encoder.with_policy(step.policy), batch).profile
        assert step.work == pytest.approx(engine_work(encoder.config, alive))
