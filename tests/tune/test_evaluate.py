"""Operating points: the score, the FLOPs ratio, and the tokens that are left."""

import numpy as np
import pytest

from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answers, evaluate, point_of
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

HALF = PrunePolicy((LayerRule(Mode.TOPK, 0.5), LayerRule(Mode.TOPK, 0.25)))


def test_a_point_counts_tokens_and_flops_by_hand() -> None:
    encoder = tiny_encoder(HALF)
    data = TaskData(random_batch((16, 4), vocabulary=60), np.array([0, 1]))
    logits = np.array([[9.0, 0, 0], [9.0, 0, 0]], np.float32)
    _, alive = answers(encoder, data.batch)
    assert alive.tolist() == [[16, 8, 4], [4, 2, 1]]
    point = point_of(encoder.config, logits, alive, data)
    assert (point.metric, point.score) == ("accuracy %", 50.0)
    assert point.alive == [10.0, 5.0, 2.5]
    d = 32

    def count(entering: int, leaving: int) -> int:
        return 2 * d * entering**2 + 4 * d**2 * entering + 8 * d**2 * leaving

    dense = 2 * (count(16, 16) + count(4, 4))
    pruned = count(16, 8) + count(8, 4) + count(4, 2) + count(2, 1)
    assert point.flops_ratio == pytest.approx(dense / pruned)


def test_the_answers_are_the_oracles() -> None:
    encoder = tiny_encoder(HALF)
    batch = random_batch(range(1, 21), vocabulary=60)
    oracle = run_oracle(encoder, batch)
    logits, alive = answers(encoder, batch)
    np.testing.assert_allclose(logits, oracle.logits, atol=1e-4)
    np.testing.assert_array_equal(alive, oracle.profile.alive)
    told = TaskData(batch, oracle.logits.argmax(1))
    assert evaluate(encoder, told) == point_of(encoder.config, logits, alive, told)
    assert evaluate(encoder, told).score == 100.0
