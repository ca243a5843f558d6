"""A budget of points, held on data that nobody was trained on."""

import numpy as np
import pytest
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.budget import FOLDS, SPARE, STRONGER, WEAKER, Budget, largest
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


def budget(max_drop: float, seed: int = 0) -> Budget:
    encoder, data = task()
    return Budget(Judge(encoder, data, max_drop), seed)


def drops(factor: float, texts: np.ndarray | slice = slice(None)) -> float:
    """What `POLICY` times a factor loses on some of the texts."""
    encoder, data = task()
    answers = run_oracle(encoder.with_policy(POLICY.scaled(factor)), data.batch).logits
    return 100 * float((answers.argmax(1) != data.labels)[texts].mean())


def test_the_policy_is_weakened_until_it_fits_with_odds_of_two_to_one() -> None:
    found = budget(5.0)
    policy, _ = found.strongest(POLICY)
    candidates = {factor: found.judge.look(POLICY.scaled(factor)) for factor in (1.0, *WEAKER)}
    fitting = [f for f, c in candidates.items() if found.judge.fits(found.judge.drop(c), c)]
    assert drops(1.0) > 5.0
    assert 0.0 < fitting[0] < 1.0
    assert policy == POLICY.scaled(fitting[0])


def test_each_tenth_counts_with_what_the_others_choose() -> None:
    """Of the seeds of the folds, some make tenths choose differently."""
    for seed in range(20):
        found = budget(5.0, seed)
        policy, estimate = found.strongest(POLICY)
        lost = 0.0
        chosen = set()
        for fold in range(FOLDS):
            rest = found.folds != fold
            factor = next(f for f in (1.0, *WEAKER) if fits(found.judge, f, rest))
            chosen.add(factor)
            lost += drops(factor, ~rest) * (~rest).sum()
        assert estimate.drop == pytest.approx(lost / 300)
        assert estimate.texts == 300
        written = found.judge.look(policy)
        assert estimate.pruned.flops_ratio == written.point.flops_ratio
        if len(chosen) > 1:
            assert estimate.drop != pytest.approx(found.judge.drop(written))
            return
    raise AssertionError("all tenths choose the same with each seed")


def fits(judge: Judge, factor: float, texts: np.ndarray) -> bool:
    logits = judge.forward.run(by_policy(POLICY.scaled(factor))).logits
    drop, error = judge.drop_on(texts, logits)
    assert drop == pytest.approx(drops(factor, texts))
    return drop + MARGIN * error <= judge.max_drop


def test_more_pruning_than_was_trained_with_leaves_a_standard_error() -> None:
    gentle = POLICY.scaled(0.5)
    error = budget(1.0).judge.look(gentle.scaled(STRONGER[0])).error
    lost = [drops(0.5), drops(0.5 * STRONGER[0])]
    between = max(lost[1] + 0.9 * error, lost[0] + MARGIN * error)
    assert between < lost[1] + SPARE * error
    assert budget(between).strongest(gentle)[0] == gentle
    assert budget(lost[1] + 1.1 * error).strongest(gentle)[0] != gentle
    assert budget(100.0).strongest(POLICY)[0] == POLICY.scaled(max(STRONGER))


def test_the_walk_goes_up_as_long_as_factors_fit_or_down_to_the_first() -> None:
    assert largest(lambda factor: factor != 1.4) == 1.2
    assert largest(lambda factor: factor <= 1.0) == 1.0
    assert largest(lambda factor: factor in (0.8, 0.5)) == 0.8
    assert largest(lambda factor: False) == 0.0
    assert sorted([*WEAKER, 1.0, *STRONGER]) == [*reversed(WEAKER), 1.0, *STRONGER]


def test_tenths_are_random_and_as_large_as_each_other() -> None:
    found, other = budget(1.0), budget(1.0, seed=1)
    assert np.bincount(found.folds).tolist() == [30] * FOLDS
    assert not np.array_equal(found.folds, other.folds)


def test_data_that_cannot_judge_are_refused_before_anything_is_trained() -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=1)
    batch = random_batch([5, 5], vocabulary=60)
    data = TaskData(batch, np.array([1.0, 2.0], np.float32), "pearson")
    with pytest.raises(LtpError, match="undefined"):
        Budget(Judge(encoder, data, 1.0), 0)  # of one text there is no correlation
    encoder, data = task()
    with pytest.raises(LtpError, match="more than one text"):
        Budget(Judge(encoder, data.select(np.arange(1)), 1.0), 0)


def test_drops_count_from_the_weights_before_training() -> None:
    encoder, held = task()
    judge = Judge(encoder, held, 1.0)
    with torch.no_grad():
        encoder.head_output.bias += torch.tensor([100.0, *[0.0] * (encoder.config.num_labels - 1)])
    unpruned = judge.look(PrunePolicy.dense(3))
    share = 100 * float((held.labels == 0).mean())
    assert judge.drop(unpruned) == pytest.approx(100 - share)
