"""A budget of points, held on data that nobody was trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.learn.budget import ADAPTING_EPOCHS, FACTORS, within_budget
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.stage import TrainerSettings
from ltp_deploy.learn.stages import Stages
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


class Untrained(Stages):
    """Stages that only note what they are asked to train."""

    def train_pruned(self, policy: PrunePolicy, epochs: float, name: str = "hard") -> None:
        asked.append((policy, epochs, name))


asked: list[tuple[PrunePolicy, float, str]] = []


def budgeted(encoder: Encoder, data: TaskData, max_drop: float, path: Path) -> PrunePolicy:
    """`POLICY` within a budget on `data`."""
    asked.clear()
    stages = Untrained(encoder, data, Recipe(max_drop=max_drop), TrainerSettings(path))
    return within_budget(stages, POLICY, Judge(encoder, data, max_drop))


def test_the_policy_is_weakened_until_it_fits(tmp_path: Path) -> None:
    encoder, held = task()
    found = budgeted(encoder, held, 5.0, tmp_path)
    judge = Judge(encoder, held, 5.0)
    by_factor = {factor: judge.look(POLICY.scaled(factor)) for factor in FACTORS}
    fitting = [f for f, c in by_factor.items() if judge.fits(judge.drop(c), c)]
    assert 0 < max(fitting) < 1
    assert found == POLICY.scaled(max(fitting))
    assert not asked  # the weights were trained with more pruning already


def test_more_pruning_than_the_weights_know_is_trained_and_checked_again(tmp_path: Path) -> None:
    encoder, held = task()
    found = budgeted(encoder, held, 100.0, tmp_path)
    assert found == POLICY.scaled(max(FACTORS))
    assert asked == [(found, ADAPTING_EPOCHS, "adapt")]


def test_nothing_is_pruned_where_no_pruning_fits(tmp_path: Path) -> None:
    encoder, held = task()
    few = held.select(np.arange(20))  # one changed answer is 5 points, and none says little
    found = budgeted(encoder, few, 0.0, tmp_path)
    assert Judge(encoder, few, 0.0).look(found).work == 1.0


def test_drops_count_from_the_weights_before_training() -> None:
    encoder, held = task()
    judge = Judge(encoder, held, 1.0)
    with torch.no_grad():
        encoder.head_output.bias += torch.tensor([100.0, *[0.0] * (encoder.config.num_labels - 1)])
    unpruned = judge.look(PrunePolicy.dense(3))
    share = 100 * float((held.labels == 0).mean())
    assert judge.drop(unpruned) == pytest.approx(100 - share)
