"""A budget of points, held on data that nobody was trained on."""

import numpy as np
import pytest
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.budget import STRONGER, WEAKER, Budget, largest
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.search import Judge
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


def drops(found: Budget, factor: float) -> list[float]:
    """What `POLICY` times a factor loses on each half."""
    encoder, data = task()
    answers = run_oracle(encoder.with_policy(POLICY.scaled(factor)), data.batch).logits
    right = answers.argmax(1) == data.labels
    return [100 * float(1 - right[half].mean()) for half in found.halves]


def test_the_policy_is_weakened_until_it_fits_on_both_halves() -> None:
    found = budget(5.0)
    policy, _ = found.strongest(POLICY)
    first_that_fits = [
        next(f for f in WEAKER if not f or drops(found, f)[half] <= 5.0) for half in (0, 1)
    ]
    assert max(drops(found, 1.0)) > 5.0
    assert min(first_that_fits) > 0.0
    assert policy == POLICY.scaled(min(first_that_fits))


def test_each_half_counts_with_what_the_other_one_chose() -> None:
    splits = (budget(5.0, seed) for seed in range(20))
    chosen = {
        tuple(next(f for f in WEAKER if drops(b, f)[half] <= 5.0) for half in (0, 1)): b
        for b in splits
    }
    (first, second), found = next((f, b) for f, b in chosen.items() if f[0] != f[1])
    policy, estimate = found.strongest(POLICY)
    sizes = found.halves.sum(1)
    lost = drops(found, second)[0] * sizes[0] + drops(found, first)[1] * sizes[1]
    assert estimate.drop == pytest.approx(lost / sizes.sum())
    assert estimate.texts == 300
    written = found.judge.look(policy)
    assert policy == POLICY.scaled(min(first, second))
    assert estimate.pruned.flops_ratio == written.point.flops_ratio
    assert estimate.drop >= found.judge.drop(written)


def test_more_pruning_than_was_trained_with_leaves_a_standard_error() -> None:
    lost = drops(budget(100.0), STRONGER[0])
    tight = budget(max(lost))
    assert max(drops(tight, 1.0)) <= max(lost)
    assert tight.strongest(POLICY)[0] == POLICY
    assert budget(100.0).strongest(POLICY)[0] == POLICY.scaled(max(STRONGER))


def test_the_walk_goes_up_as_long_as_factors_fit_or_down_to_the_first() -> None:
    assert largest(lambda factor: factor != 1.4) == 1.2
    assert largest(lambda factor: factor <= 1.0) == 1.0
    assert largest(lambda factor: factor in (0.8, 0.5)) == 0.8
    assert largest(lambda factor: False) == 0.0
    assert sorted([*WEAKER, 1.0, *STRONGER]) == [*reversed(WEAKER), 1.0, *STRONGER]


def test_halves_are_random_and_as_large_as_each_other() -> None:
    found, other = budget(1.0), budget(1.0, seed=1)
    assert found.halves.sum(1).tolist() == [150, 150]
    assert found.halves.any(0).all()
    assert not np.array_equal(found.halves, other.halves)


def test_a_half_without_a_score_is_refused_before_anything_is_trained() -> None:
    encoder = tiny_encoder(PrunePolicy.dense(3), num_labels=1)
    batch = random_batch([5, 5, 5], vocabulary=60)
    data = TaskData(batch, np.array([1.0, 2.0, 3.0], np.float32), "pearson")
    with pytest.raises(LtpError, match="undefined"):
        Budget(Judge(encoder, data, 1.0), 0)


def test_drops_count_from_the_weights_before_training() -> None:
    encoder, held = task()
    judge = Judge(encoder, held, 1.0)
    with torch.no_grad():
        encoder.head_output.bias += torch.tensor([100.0, *[0.0] * (encoder.config.num_labels - 1)])
    unpruned = judge.look(PrunePolicy.dense(3))
    share = 100 * float((held.labels == 0).mean())
    assert judge.drop(unpruned) == pytest.approx(100 - share)
