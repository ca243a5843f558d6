"""A budget of points, held on data that nobody was trained on."""

import numpy as np
import pytest
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.budget import PARTS, SPARE, STRONGER, WEAKER, largest, strongest, tenths
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.forward import by_policy
from ltp_deploy.tune.search import MARGIN, Judge
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE = LayerRule(Mode.NONE)
POLICY = PrunePolicy((NONE, LayerRule(Mode.RELATIVE, 0.5), LayerRule(Mode.RELATIVE, 0.6)))


def task() -> tuple[Encoder, TaskData]:
    """A model, and data whose labels are what it answers without pruning."""
    encoder = tiny_encoder(PrunePolicy.dense(3))
    batch = random_batch([n % 15 + 3 for n in range(300)], vocabulary=60)
    return encoder, TaskData(batch, run_oracle(encoder, batch).logits.argmax(1))


def judge_of(max_drop: float) -> Judge:
    encoder, data = task()
    return Judge(encoder, data, max_drop)


def parts_of(seed: int = 0) -> np.ndarray:
    encoder, data = task()
    return tenths(data, encoder.config, seed)


def chosen(max_drop: float, policy: PrunePolicy = POLICY) -> PrunePolicy:
    """The policy within a budget."""
    return strongest(policy, judge_of(max_drop), parts_of())[0]


def drops(factor: float, texts: np.ndarray | slice = slice(None)) -> float:
    """What `POLICY` times a factor loses on some of the texts."""
    encoder, data = task()
    answers = run_oracle(encoder.with_policy(POLICY.scaled(factor)), data.batch).logits
    return 100 * float((answers.argmax(1) != data.labels)[texts].mean())


def test_the_policy_is_weakened_until_it_fits_with_odds_of_two_to_one() -> None:
    judge = judge_of(5.0)
    candidates = {factor: judge.look(POLICY.scaled(factor)) for factor in (1.0, *WEAKER)}
    fitting = [f for f, c in candidates.items() if judge.fits(judge.drop(c), c)]
    assert drops(1.0) > 5.0
    assert 0.0 < fitting[0] < 1.0
    assert chosen(5.0) == POLICY.scaled(fitting[0])


def test_each_tenth_counts_with_what_the_others_choose() -> None:
    judge = judge_of(5.0)
    for seed in range(20):
        parts, lost, factors = parts_of(seed), 0.0, set()
        policy, estimate = strongest(POLICY, judge, parts)
        for part in range(PARTS):
            mine = parts == part
            factor = next(f for f in (1.0, *WEAKER) if fits(judge, f, ~mine))
            factors.add(factor)
            lost += drops(factor, mine) * mine.sum()
        assert estimate.drop == pytest.approx(lost / 300)
        assert estimate.texts == 300
        written = judge.look(policy)
        assert estimate.pruned.flops_ratio == written.point.flops_ratio
        if len(factors) > 1:
            assert estimate.drop != pytest.approx(judge.drop(written))
            return
    raise AssertionError("all tenths choose the same with each seed")


def fits(judge: Judge, factor: float, texts: np.ndarray) -> bool:
    logits = judge.forward.run(by_policy(POLICY.scaled(factor))).logits
    drop, error = judge.drop_on(texts, logits)
    assert drop == pytest.approx(drops(factor, texts))
    return drop + MARGIN * error <= judge.max_drop


def test_more_pruning_than_was_trained_with_leaves_a_standard_error() -> None:
    gentle = POLICY.scaled(0.5)
    error = judge_of(1.0).look(gentle.scaled(STRONGER[0])).error
    lost = [drops(0.5), drops(0.5 * STRONGER[0])]
    between = max(lost[1] + 0.9 * error, lost[0] + MARGIN * error)
    assert between < lost[1] + SPARE * error
    assert chosen(between, gentle) == gentle
    assert chosen(lost[1] + 1.1 * error, gentle) != gentle
    assert chosen(100.0) == POLICY.scaled(max(STRONGER))


def test_the_walk_goes_up_as_long_as_factors_fit_or_down_to_the_first() -> None:
    assert largest(lambda factor: factor != 1.4) == 1.2
    assert largest(lambda factor: factor <= 1.0) == 1.0
    assert largest(lambda factor: factor in (0.8, 0.5)) == 0.8
    assert largest(lambda factor: False) == 0.0
    assert sorted([*WEAKER, 1.0, *STRONGER]) == [*reversed(WEAKER), 1.0, *STRONGER]


def test_tenths_are_random_and_as_large_as_each_other() -> None:
    assert np.bincount(parts_of()).tolist() == [30] * PARTS
    assert not np.array_equal(parts_of(), parts_of(seed=1))


def test_all_texts_of_a_query_are_in_one_tenth() -> None:
    encoder, data = task()
    units = np.random.default_rng(2).integers(100, 145, len(data))
    data = TaskData(data.batch, data.labels, units=units)
    parts = tenths(data, encoder.config, 0)
    of_units = [set(parts[units == unit].tolist()) for unit in np.unique(units)]
    assert all(len(found) == 1 for found in of_units)
    counts = np.bincount([part for found in of_units for part in found])
    assert sorted(counts) == [4] * 5 + [5] * 5, "tenths of queries"
    few = TaskData(data.batch, data.labels, units=units % 3)
    assert np.unique(tenths(few, encoder.config, 0)).tolist() == [0, 1, 2]


def test_texts_that_are_judged_alone_are_in_tenths_of_texts() -> None:
    expected = np.random.default_rng(7).permutation(300) % PARTS
    assert np.array_equal(parts_of(7), expected)


def test_data_that_cannot_judge_are_refused() -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=1, head="regression")
    batch = random_batch([5, 5], vocabulary=60)
    data = TaskData(batch, np.array([1.0, 2.0], np.float32), "pearson")
    with pytest.raises(LtpError, match="undefined"):
        tenths(data, encoder.config, 0)  # of one text there is no correlation
    encoder, data = task()
    with pytest.raises(LtpError, match="more than one text"):
        tenths(data.select(np.arange(1)), encoder.config, 0)
    together = TaskData(data.batch, data.labels, units=np.zeros(len(data), int))
    with pytest.raises(LtpError, match="more than one query"):
        tenths(together, encoder.config, 0)


def test_no_part_of_rankings_is_judged_by_another_metric() -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=1, head="ranking")
    query = np.repeat(np.arange(10), 4)
    relevance = np.where(query == 0, np.arange(40) % 2, query % 2)  # the first query alone counts
    data = TaskData(random_batch([5] * 40, vocabulary=60), np.stack([relevance, query], 1) * 1.0)
    judge = Judge(encoder, data, 1.0)
    assert judge.metric == "ndcg@10"
    judge.drop_on(query < 5, judge.unpruned)
    with pytest.raises(LtpError, match="NDCG@10 is undefined: no query has passages"):
        judge.drop_on(query > 0, judge.unpruned)
    data.units = query
    with pytest.raises(LtpError, match="NDCG@10 is undefined: no query has passages"):
        tenths(data, encoder.config, 0)


def test_drops_count_from_the_weights_before_training() -> None:
    encoder, held = task()
    judge = Judge(encoder, held, 1.0)
    with torch.no_grad():
        encoder.head_output.bias += torch.tensor([100.0, *[0.0] * (encoder.config.num_labels - 1)])
    unpruned = judge.look(PrunePolicy.dense(3))
    share = 100 * float((held.labels == 0).mean())
    assert judge.drop(unpruned) == pytest.approx(100 - share)
