"""NDCG@10 and MRR@10 of queries' passages, against scikit-learn and ranks worked out by hand."""

from __future__ import annotations

import math
import sys
import time

import numpy as np
import pytest

from ltp_deploy.data import ranking_metrics
from ltp_deploy.data.ranking_metrics import mrr_10, ndcg_10
from ltp_deploy.errors import LtpError

pytest.importorskip("ir_measures", reason="ir_measures is not installed")


def targets(*relevance: list[float]) -> np.ndarray:
    """[N, 2] of queries with passages of this relevance, one after another."""
    rows = [(grade, query) for query, grades in enumerate(relevance) for grade in grades]
    return np.array(rows, float).reshape(-1, 2)


def scores(*ranks: list[int]) -> np.ndarray:
    """[N] float32 that rank the passages of each query so, 1 first."""
    return -np.concatenate(ranks).astype(np.float32)


def random_task(queries: int, passages: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and targets of grades from 0 to 3, most of them 0; queries stand mixed."""
    random = np.random.default_rng(3)
    grades = random.integers(0, 4, (queries, passages)) * (random.random((queries, passages)) < 0.2)
    found = random.standard_normal(queries * passages).astype(np.float32)
    pairs = targets(*grades.tolist())
    mixed = random.permutation(len(pairs))
    return found[mixed], pairs[mixed]


def by_query(found: np.ndarray, pairs: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(scores, grades) of each query whose grades differ."""
    parts = [(found[pairs[:, 1] == q], pairs[pairs[:, 1] == q, 0]) for q in np.unique(pairs[:, 1])]
    return [(some, grades) for some, grades in parts if np.ptp(grades)]


@pytest.mark.parametrize("passages", [2, 7, 40])
def test_ndcg_is_that_of_scikit_learn(passages: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    found, pairs = random_task(50, passages)
    parts = by_query(found, pairs)
    assert len(parts) < 50 or passages > 7, "some queries have no value"
    expected = [metrics.ndcg_score([grades], [some], k=10) for some, grades in parts]
    assert ndcg_10.each(found, pairs) == pytest.approx(expected, abs=1e-9)
    assert ndcg_10(found, pairs) == pytest.approx(np.mean(expected))
    assert ndcg_10.count(pairs) == mrr_10.count(pairs) == len(parts)


@pytest.mark.parametrize("passages", [2, 7, 40])
def test_mrr_is_the_reciprocal_of_the_first_relevant_rank(passages: int) -> None:
    found, pairs = random_task(50, passages)
    expected = []
    for some, grades in by_query(found, pairs):
        rank = 1 + int(np.flatnonzero(grades[np.argsort(-some)] > 0)[0])
        expected.append(1 / rank if rank <= 10 else 0.0)
    assert passages < 40 or 0.0 in expected
    assert mrr_10.each(found, pairs) == pytest.approx(expected)
    assert mrr_10(found, pairs) == pytest.approx(np.mean(expected))


def test_the_gain_is_the_grade_itself() -> None:
    found = ndcg_10(scores([2, 1, 3]), targets([3, 1, 0]))
    assert found == pytest.approx((1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3)))
    below = ndcg_10(scores([2, 1, 3]), targets([3, 1, -2]))
    assert below == pytest.approx(found), "a grade below 0 counts as 0"


def test_ten_passages_count() -> None:
    pairs = targets([0] * 12 + [1])
    for rank, value in ((10, 1 / 10), (11, 0.0)):
        others = [place for place in range(1, 14) if place != rank]
        assert mrr_10(scores([*others, rank]), pairs) == pytest.approx(value)
        gain = 1 / math.log2(rank + 1) if rank <= 10 else 0.0
        assert ndcg_10(scores([*others, rank]), pairs) == pytest.approx(gain)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_of_equal_scores_the_least_relevant_comes_first(order: list[int]) -> None:
    pairs = targets([2, 0, 1, 0, 0])[order]
    same = np.zeros(5, np.float32)
    assert mrr_10(same, pairs) == pytest.approx(1 / 4)
    best = 2 + 1 / math.log2(3)
    assert ndcg_10(same, pairs) == pytest.approx((1 / math.log2(5) + 2 / math.log2(6)) / best)
    nothing = np.full(5, np.nan, np.float32)
    assert mrr_10(nothing, pairs) == pytest.approx(1 / 4)
    first_two = np.array([1, 0, 1, 0, 0], np.float32)[order]
    assert ndcg_10(first_two, pairs) == pytest.approx((1 + 2 / math.log2(3)) / best)


def test_scores_that_differ_in_the_last_bit_are_no_ties() -> None:
    one = np.float32(1)
    found = np.array([np.nextafter(one, np.float32(2)), one])
    assert mrr_10(found, targets([1, 0])) == 1.0
    found = np.array([1 + 1e-15, 1.0])  # the same in float32, as trec_eval compares
    assert mrr_10(found, targets([1, 0])) == 1.0


def test_queries_without_a_right_order_do_not_count() -> None:
    pairs = targets([1, 0], [0, 0], [1, 1], [5], [0, 1], [-1, 0], [1, 2])
    found = scores([1, 2], [1, 2], [1, 2], [1], [1, 2], [1, 2], [1, 2])
    assert mrr_10.each(found, pairs).tolist() == [1.0, 0.5]
    assert mrr_10.count(pairs) == 2
    best = 2 + 1 / math.log2(3)
    expected = [1.0, 1 / math.log2(3), (1 + 2 / math.log2(3)) / best]
    assert ndcg_10.each(found, pairs) == pytest.approx(expected)
    assert ndcg_10.count(pairs) == 3, "among 1 and 2 it matters which comes first"


def test_values_come_in_the_order_of_the_numbers_of_queries() -> None:
    pairs = targets([1, 0], [0, 1], [0, 0, 1])
    found = scores([1, 2], [1, 2], [1, 2, 3])
    pairs[:, 1] = np.array([700, -3, 12])[pairs[:, 1].astype(int)]
    assert mrr_10.each(found, pairs) == pytest.approx([1 / 2, 1 / 3, 1.0])


@pytest.mark.parametrize("metric", [ndcg_10, mrr_10])
def test_it_is_an_error_where_no_query_counts(metric: ranking_metrics.Mean) -> None:
    for pairs in (targets([1, 1], [0, 0]), targets()):
        assert metric.count(pairs) == 0
        with pytest.raises(LtpError, match=r"@10 is undefined: no query has passages of differen"):
            metric(np.zeros(len(pairs)), pairs)


@pytest.mark.parametrize(("grade", "shown"), [(0.5, "0.5"), (1001, "1001"), (1e9, "1e\\+09")])
def test_ndcg_takes_grades_alone(grade: float, shown: str) -> None:
    pairs = targets([grade, 0])
    with pytest.raises(LtpError, match=rf"labels that are whole numbers up to 1000, found {shown}"):
        ndcg_10(scores([1, 2]), pairs)
    assert mrr_10(scores([1, 2]), pairs) == 1.0


def test_other_targets_are_not_taken_for_those_before() -> None:
    found = scores([1, 2])
    pairs = targets([1, 0])
    assert mrr_10(found, pairs) == 1.0
    pairs[:, 0] = [0, 1]
    assert mrr_10(found, pairs) == 0.5
    assert mrr_10(found, pairs.astype(np.float32)) == 0.5
    assert mrr_10(found, np.asfortranarray(pairs)) == 0.5


@pytest.mark.parametrize("metric", [ndcg_10, mrr_10])
def test_thousands_of_calls_take_no_time(metric: ranking_metrics.Mean) -> None:
    found, pairs = random_task(100, 50)
    metric(found, pairs)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        metric(found, pairs)
        best = min(best, time.perf_counter() - start)
    assert best < 0.02


def test_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(LtpError, match=r"MRR@10 needs the library ir_measures: .*\[ranking\]"):
        mrr_10(scores([1, 2, 3, 4]), targets([1, 0, 1, 1]))
