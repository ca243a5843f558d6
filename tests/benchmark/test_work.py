"""Multiply-adds of each runner, against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltp_deploy.benchmark.runner import Layout, Runner
from ltp_deploy.benchmark.work import multiply_adds
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.data.batch import pack
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile
from tests.benchmark.test_workload import CONFIG

LINEAR = 4 * 8 * 8 + 2 * 8 * 32  # per token and layer: four projections and the FFN
ATTENTION = 2 * 8  # per query and key
CASE = Case("", (pack([[2] * 4, [2] * 6]), pack([[2] * 5])))


def runner(layout: Layout, **values) -> Runner:
    return Runner("", None, layout, **values)


def dense(*lengths: int) -> float:
    return sum(3 * (LINEAR * n + ATTENTION * n * n) for n in lengths)


def test_padding_costs_what_tokens_cost():
    assert multiply_adds(runner(Layout.PADDED), CASE, CONFIG, None) == dense(6, 6, 5)


@pytest.mark.parametrize(
    "unpadded",
    [runner(Layout.ONE_BY_ONE), runner(Layout.PACKED, carries=(Carry.ALL,) * 3)],
)
def test_without_padding_only_tokens_cost(unpadded: Runner):
    assert multiply_adds(unpadded, CASE, CONFIG, None) == pytest.approx(dense(4, 6, 5))


def test_pruned_tokens_cost_nothing_more():
    """All die in layer 0 but the first: from there on every sequence has one token."""
    one = np.ones((3, 1), int)
    profile = SurvivorProfile(np.hstack([CASE.lengths[:, None], one, one, one]), np.zeros((3, 3)))
    found = multiply_adds(
        runner(Layout.PACKED, prunes=True, carries=(Carry.SURVIVORS,) * 3), CASE, CONFIG, profile
    )
    first = sum(3 * 8 * 8 * n + ATTENTION * n * n + LINEAR - 3 * 8 * 8 for n in (4, 6, 5))
    assert found == pytest.approx(first + 2 * 3 * (LINEAR + ATTENTION))


def test_an_engine_that_does_not_prune_ignores_who_would_survive():
    none_alive = replace(SurvivorProfile.unpruned(CASE.lengths, 3), alive=np.zeros((3, 4), int))
    unpruned = runner(Layout.PACKED, carries=(Carry.ALL,) * 3)
    assert multiply_adds(unpruned, CASE, CONFIG, none_alive) == pytest.approx(dense(4, 6, 5))
