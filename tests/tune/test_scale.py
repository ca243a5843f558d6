"""Scaling a policy by factors, and to a FLOPs ratio."""

import numpy as np
import pytest

from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import evaluate
from ltp_deploy.tune.scale import scaled_to
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE = LayerRule(Mode.NONE)


def data() -> TaskData:
    lengths = [int(n) for n in np.random.default_rng(1).integers(8, 16, 60)]
    return TaskData(random_batch(lengths, vocabulary=60), np.zeros(60))


def test_a_factor_multiplies_the_pruning_of_a_layer() -> None:
    policy = PrunePolicy(
        (
            NONE,
            LayerRule(Mode.ABSOLUTE, 0.1),
            LayerRule(Mode.RELATIVE, 0.6),
            LayerRule(Mode.TOPK, 0.7),
        )
    )
    factors = (9.0, 3.0, 2.0, 2.0)
    rules = [rule.scaled(factor) for rule, factor in zip(policy.layers, factors, strict=True)]
    assert rules[0] == NONE
    assert rules[1].threshold == pytest.approx(0.3)
    assert rules[2].threshold == 1.0
    assert rules[3].threshold == pytest.approx(0.4)  # drops 0.6 in place of 0.3
    assert policy.layers[3].scaled(9).threshold == 0.01
    assert policy.scaled(1.0) == policy


@pytest.mark.parametrize("wanted", [1.1, 1.5, 1.9])
@pytest.mark.parametrize("threshold", [0.001, 0.03, 1.0])
def test_thresholds_of_any_size_are_scaled_to_a_flops_ratio(
    wanted: float, threshold: float
) -> None:
    policy = PrunePolicy((NONE, *(LayerRule(Mode.ABSOLUTE, threshold),) * 4))
    encoder = tiny_encoder(policy)
    scaled = scaled_to(encoder, data(), wanted)
    point = evaluate(encoder.with_policy(scaled), data())
    assert point.flops_ratio == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("wanted", [1.1, 1.6])
def test_keep_rates_are_scaled_to_a_flops_ratio(wanted: float) -> None:
    policy = PrunePolicy((NONE, *(LayerRule(Mode.TOPK, rate) for rate in (0.8, 0.6, 0.4, 0.3))))
    encoder = tiny_encoder(policy)
    point = evaluate(encoder.with_policy(scaled_to(encoder, data(), wanted)), data())
    assert point.flops_ratio == pytest.approx(wanted, rel=0.03)


def test_a_flops_ratio_out_of_reach_is_an_error() -> None:
    policy = PrunePolicy((NONE, NONE, LayerRule(Mode.TOPK, 0.5)))
    with pytest.raises(LtpError, match=r"5 times fewer FLOPs cannot be reached .* is as far as"):
        scaled_to(tiny_encoder(policy), data(), 5.0)
    with pytest.raises(LtpError, match="prunes nothing"):
        scaled_to(tiny_encoder(PrunePolicy.dense(3)), data(), 1.5)
