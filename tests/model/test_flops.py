"""Counting work, by hand-made survivors."""

import numpy as np
import pytest

from ltp_deploy.model.flops import authors_flops, authors_ratio, engine_flops, padded_flops
from ltp_deploy.model.policy import Carry, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from tests.model.problems import tiny_encoder

CONFIG = tiny_encoder(PrunePolicy.dense(2)).config  # d = 32, FFN 48
D, M = 32, 48


def profile(*survivors: list[list[int]], lengths: list[int]) -> SurvivorProfile:
    """From marks [sequence][layer][token]."""
    return SurvivorProfile.from_survivors(np.array(lengths), np.array(survivors).astype(bool))


TWO = profile([[1, 1, 0, 1], [1, 0, 0, 1]], [[0, 1, 1, 0], [0, 1, 0, 0]], lengths=[4, 3])


def test_a_profile_counts_alive_tokens_before_and_after_each_layer() -> None:
    assert TWO.alive.tolist() == [[4, 3, 2], [3, 2, 1]]
    assert TWO.finished.tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize(
    ("carries", "rows"),
    [
        ((Carry.SURVIVORS, Carry.SURVIVORS), [[4, 3, 2], [3, 1, 1]]),
        ((Carry.SURVIVORS, Carry.FIRST), [[4, 3, 1], [3, 1, 1]]),
        ((Carry.ALL, Carry.SURVIVORS), [[4, 4, 2], [3, 3, 1]]),
        ((Carry.SURVIVORS, Carry.ALL), [[4, 3, 3], [3, 1, 1]]),
        ((Carry.ALL, Carry.FIRST), [[4, 4, 1], [3, 3, 1]]),
    ],
)
def test_rows_held_follow_from_the_carries(carries: tuple[Carry, ...], rows: list) -> None:
    assert TWO.carried(carries).tolist() == rows


def test_the_authors_flops_by_hand() -> None:
    first = sum(2 * D * a**2 + 4 * D**2 * a + 8 * D**2 * b for a, b in ((4, 3), (3, 2)))
    second = sum(2 * D * a**2 + 4 * D**2 * a + 8 * D**2 * b for a, b in ((3, 2), (2, 1)))
    assert authors_flops(CONFIG, TWO.alive).tolist() == [first, second]
    dense = 2 * sum(2 * D * n**2 + 12 * D**2 * n for n in (4, 3))
    assert authors_ratio(CONFIG, TWO.alive) == pytest.approx(dense / (first + second))


def test_engine_flops_after_attention_are_those_of_carried_rows() -> None:
    first, last = engine_flops(CONFIG, np.array([[4, 3, 1]]), (Carry.SURVIVORS, Carry.FIRST))
    assert (first.qkv, first.attention) == (3 * D * D * 4, 2 * D * 4 * 4)
    assert (first.projection, first.ffn) == (D * D * 3, 2 * D * M * 3)
    assert (last.qkv, last.attention) == (3 * D * D * 3, 2 * D * 3 * 1)
    assert (last.projection, last.ffn) == (D * D, 2 * D * M)
    assert first.total == first.qkv + first.attention + first.projection + first.ffn


def test_engine_flops_are_a_mean_over_sequences() -> None:
    rows = np.array([[4, 2, 1], [2, 2, 1]])
    (layer, _) = engine_flops(CONFIG, rows, (Carry.SURVIVORS, Carry.FIRST))
    assert layer.qkv == 3 * D * D * 3
    assert layer.attention == 2 * D * (4 * 4 + 2 * 2) / 2


def test_padded_flops_count_padding_as_tokens() -> None:
    per_layer = 4 * D * D * 9 + 2 * D * M * 9 + 2 * D * 9 * 9
    assert padded_flops(CONFIG, 5, 9) == 5 * 2 * per_layer
