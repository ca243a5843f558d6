"""What the cost model counts is what its times are made of."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ltp_deploy.compiler.cost import GpuCost, Work, dense_work, layer_work
from ltp_deploy.compiler.t4 import T4, T4_INT8
from ltp_deploy.model.flops import padded_flops
from ltp_deploy.model.policy import Carry
from tests.compiler.test_placement import BASE

REST = (Carry.SURVIVORS, False)
ROWS, LEFT = np.full(4, 128), np.full(4, 50)


def one_layer(gpu: GpuCost, carry: Carry = Carry.SURVIVORS, scores: bool = True) -> Work:
    leaving = {Carry.ALL: ROWS, Carry.FIRST: np.ones(4), Carry.BOUNDED: ROWS}.get(carry, LEFT)
    return layer_work(gpu, BASE, ROWS, leaving, carry, scores)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("carry", list(Carry))
def test_launches_and_host_syncs_are_counted_as_often_as_they_take_time(
    carry: Carry, scores: bool
) -> None:
    work = one_layer(T4, carry, scores)
    slower = one_layer(replace(T4, launch=T4.launch + 1.0, sync=T4.sync + 100.0), carry, scores)
    assert slower.seconds - work.seconds == pytest.approx(work.launches + 100 * work.syncs)
    compacts = carry in (Carry.SURVIVORS, Carry.BOUNDED)
    assert work.launches == 7 + scores + 2 * compacts  # scores cleared; rows, their residual moved
    assert work.syncs == (carry is Carry.SURVIVORS)


def test_bytes_moved_are_those_that_take_time_where_memory_is_slow() -> None:
    slow = replace(T4, bandwidth=1.0, attention=1e30, key=0.0, launch=0.0, sync=0.0)
    work = one_layer(slow)
    assert work.seconds == pytest.approx(work.moved)


def test_a_product_moves_its_operands_and_its_result_once() -> None:
    assert T4.product(5, 3, 7).moved == 2 * (5 * 7 + 7 * 3 + 5 * 3)
    assert T4_INT8.product(5, 3, 7).moved == 5 * 7 + 7 * 3 + 5 * 3


def test_a_bucket_of_rows_is_what_takes_time() -> None:
    tens = replace(T4, bucket=lambda rows: 10 * math.ceil(rows / 10))
    rows, left = np.array([128, 5]), np.array([41])
    found = layer_work(tens, BASE, rows, left, *REST)
    assert found.moved == layer_work(T4, BASE, np.array([140]), np.array([50]), *REST).moved


def test_a_short_request_takes_as_long_as_its_longest_sequence() -> None:
    slow = replace(T4, key=1.0)
    longer = [dense_or(slow, n) - dense_or(replace(slow, key=0.0), n) for n in (100, 200)]
    assert longer == pytest.approx([100, 200], rel=1e-4)


def dense_or(gpu: GpuCost, length: int) -> float:
    return layer_work(gpu, BASE, np.array([length, 7]), ROWS, Carry.ALL, True).seconds


def test_a_dense_engine_has_its_own_attention() -> None:
    slow = replace(T4, attention=1.0, key=1.0)
    assert dense_work(slow, BASE, ROWS) == dense_work(T4, BASE, ROWS)
    slow = replace(slow, dense_attention=None)
    assert dense_work(slow, BASE, ROWS).seconds > 1e6


def test_flops_of_a_dense_encoder_are_the_engines() -> None:
    flops = dense_work(T4, BASE, ROWS).flops
    assert flops == pytest.approx(2 * padded_flops(BASE, 4, 128))


def test_scores_of_long_sequences_cost_one_more_pass_over_queries_times_keys() -> None:
    rows = np.array([128, 129, 300])
    with_scores, without = (layer_work(T4, BASE, rows, rows, Carry.ALL, s) for s in (True, False))
    more = 2 * (129**2 + 300**2) * BASE.hidden_size
    assert with_scores.flops - without.flops == pytest.approx(more)
