"""Differences between oracle and engine are found, and distinguished from rounding."""

import numpy as np
import pytest

from ltp_deploy.parity.compare import (
    SurvivorComparison,
    compare_logits,
    compare_survivors,
)
from tests.heads.models import a_head

TIE = 1e-4


def alive(*layers: str) -> np.ndarray:
    """[1, L, n] from strings of 0 and 1."""
    return np.array([[[c == "1" for c in layer] for layer in layers]])


def positions(*layers: str) -> list[list[np.ndarray]]:
    return [[np.flatnonzero([c == "1" for c in layer]) for layer in layers]]


def compared(
    oracle: tuple[str, ...], engine: tuple[str, ...], margin: float = 1.0
) -> SurvivorComparison:
    margins = np.full((1, len(oracle), len(oracle[0])), margin, np.float32)
    return compare_survivors(alive(*oracle), positions(*engine), margins, TIE)


def test_equal_survivors_do_not_differ() -> None:
    assert compared(("1101", "1100"), ("1101", "1100")).differences == []


@pytest.mark.parametrize(
    ("margin", "tie"),
    [(1.0, False), (2 * TIE, False), (-2 * TIE, False), (TIE / 2, True), (0.0, True)],
)
@pytest.mark.parametrize("engine", ["1111", "1100"])
def test_a_planted_difference_is_a_tie_only_near_the_threshold(
    engine: str, margin: float, tie: bool
) -> None:
    result = compared(("1111", "1101"), ("1111", engine), margin)
    (difference,) = result.differences
    assert (difference.sequence, difference.layer) == (0, 1)
    assert difference.tokens == ((2,) if engine == "1111" else (3,))
    assert difference.margin == pytest.approx(abs(margin))
    assert difference.tie == tie
    assert (len(result.ties), len(result.disagreements)) == ((1, 0) if tie else (0, 1))


def test_agreement_counts_tokens_over_all_layers() -> None:
    assert compared(("1101", "1100"), ("1101", "1100")).agreement == 1.0
    assert compared(("1101", "1100"), ("1100", "1000")).agreement == pytest.approx(3 / 5)
    # What follows the first token's death is not compared.
    assert compared(("1111", "0111"), ("1111", "1111")).agreement == pytest.approx(7 / 8)


def test_only_the_first_differing_layer_counts() -> None:
    margins = np.ones((1, 3, 4), np.float32)
    margins[0, 1, 3] = 0.0
    result = compare_survivors(
        alive("1111", "1101", "1100"), positions("1111", "1100", "1000"), margins, TIE
    )
    (difference,) = result.differences
    assert (difference.layer, difference.tokens, difference.tie) == (1, (3,), True)


def test_the_largest_margin_of_the_tokens_that_differ_decides() -> None:
    margins = np.zeros((1, 1, 3), np.float32)
    margins[0, 0, 2] = 0.5
    result = compare_survivors(alive("111"), positions("100"), margins, TIE)
    (difference,) = result.disagreements
    assert (difference.tokens, difference.margin) == ((1, 2), 0.5)


def test_a_finished_sequence_is_not_compared_any_further() -> None:
    assert compared(("0110", "0010"), ("0000", "0000")).differences == []


@pytest.mark.parametrize(
    ("oracle", "engine"), [(("0110",), ("1110",)), (("1110",), ("0000",)), (("0110",), ("1000",))]
)
def test_a_first_token_that_lives_on_one_side_only_is_a_difference(
    oracle: tuple[str, ...], engine: tuple[str, ...]
) -> None:
    (difference,) = compared(oracle, engine).disagreements
    assert difference.tokens == (0,)


def test_sequences_are_numbered() -> None:
    oracle = np.concatenate([alive("11"), alive("11"), alive("10")])
    engine = [*positions("11"), *positions("10"), *positions("10")]
    result = compare_survivors(oracle, engine, np.ones((3, 1, 2)), TIE)
    assert [d.sequence for d in result.differences] == [1]


def test_logits_are_compared_with_and_without_ties() -> None:
    oracle = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]], np.float32)
    engine = oracle + np.array([[0.0, 0.25], [-4.0, 0.0], [0.0, 0.0]], np.float32)
    oracle_alive = np.concatenate([alive("11"), alive("11"), alive("11")])
    kept = [*positions("11"), *positions("10"), *positions("11")]
    tied = compare_survivors(oracle_alive, kept, np.zeros((3, 1, 2)), TIE)
    result = compare_logits(a_head("classification"), oracle, engine, tied)
    assert (result.max, result.max_without_ties, result.flips) == (4.0, 0.25, 1)
    assert result.mean == pytest.approx(4.25 / 6)
    assert (
        compare_logits(
            a_head("classification"), oracle, engine, SurvivorComparison()
        ).max_without_ties
        == 4.0
    )


def test_nan_logits_are_a_difference() -> None:
    oracle, engine = np.zeros((2, 2)), np.array([[0.0, np.nan], [0.0, 0.0]])
    result = compare_logits(a_head("classification"), oracle, engine, SurvivorComparison())
    assert not result.max_without_ties <= 1e9
