"""Intervals of a drop, against numbers worked out apart from the package."""

from __future__ import annotations

import numpy as np
import pytest

from ltp_deploy.data.metrics import Mean
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.regression import Regression
from ltp_deploy.tune.interval import drop_interval, standard_error
from tests.heads.models import a_head

CLASSES, VALUES = a_head("classification"), a_head("regression", 1)
SETS = a_head("multi_label")


def logits(classes: list[int] | np.ndarray) -> np.ndarray:
    """[N, 2] that say these classes."""
    return np.eye(2, dtype=np.float32)[np.asarray(classes)]


def paired(both: int, lost: int, won: int, neither: int) -> tuple[np.ndarray, ...]:
    """Targets and two models' logits: texts that both answer rightly, that pruning loses, that it
    wins, and that neither does."""
    counts = (both, lost, won, neither)
    dense, pruned = (np.repeat(right, counts) for right in ((1, 1, 0, 0), (1, 0, 1, 0)))
    return np.ones(sum(counts), int), logits(dense), logits(pruned)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # (2/23 - 8/23) -+ 1.96 sqrt((2/23 + 8/23 - (6/23)**2) / 23)
        ((1, 1, 7, 12), -50.836, -1.338),
        # 0 -+ 1.96 sqrt((1/102 + 1/102) / 102): not empty, though no answer changed
        ((70, 0, 0, 30), -2.7175, 2.7175),
        # (31/872 - 13/872) -+ 1.96 sqrt((44/872 - (18/872)**2) / 872)
        ((760, 30, 12, 68), 0.5777, 3.5507),
        # 2/4 -+ 1.96 sqrt((1 - (2/4)**2) / 4): two texts say nothing
        ((0, 2, 0, 0), -34.871, 134.871),
    ],
)
def test_shares_have_the_interval_of_bonett_and_price(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    found = drop_interval(CLASSES, *paired(*counts), None)
    assert found == pytest.approx((low, high), abs=2e-3)
    assert standard_error(CLASSES, *paired(*counts), None) == pytest.approx(
        (high - low) / 3.92, abs=1e-3
    )


def test_the_interval_holds_the_true_drop_in_95_of_100_draws() -> None:
    random, held = np.random.default_rng(0), 0
    for counts in random.multinomial(80, (0.78, 0.08, 0.04, 0.10), 600):
        low, high = drop_interval(CLASSES, *paired(*counts), "accuracy")
        held += low <= 4.0 <= high
    assert 0.93 <= held / 600 <= 0.98


def test_sets_are_right_or_wrong_as_a_whole() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 1], [0, 0]], bool)
    right = np.where(targets, 1.0, -1.0)
    wrong = right.copy()
    wrong[0, 1] = 1.0
    found = drop_interval(SETS, targets, right, wrong, "accuracy")
    half = 196 * np.sqrt((3 / 6 - (1 / 6) ** 2) / 6)  # one of four is lost
    assert found == pytest.approx((100 / 6 - half, 100 / 6 + half), abs=0.01)


def resampled(drop: np.ndarray | list[float]) -> list[float]:
    return np.percentile(drop, [2.5, 97.5]).tolist()


def f1(found: np.ndarray, given: np.ndarray) -> float:
    right = np.sum(found & given)
    return 100 * 2 * right / (2 * right + np.sum(found ^ given))


@pytest.mark.parametrize("metric", ["f1", "f1-micro", "f1-macro", "pearson"])
def test_other_scores_have_the_interval_of_a_bootstrap(metric: str) -> None:
    random = np.random.default_rng(5)
    shape = {"f1": (300,), "pearson": (300,)}.get(metric, (300, 3))
    noise = random.standard_normal((3, *shape))
    given = noise[0] > 0
    dense, pruned = noise[0] + 0.5 * noise[1], noise[0] + noise[2]
    targets, head = given, SETS
    answers = [dense, pruned]
    if metric == "f1":
        targets, head = given.astype(int), CLASSES
        answers = [logits((scores > 0).astype(int)) for scores in (dense, pruned)]
    elif metric == "pearson":
        targets, head = noise[0], VALUES
        answers = [dense[:, None], pruned[:, None]]

    def score(scores: np.ndarray, rows: np.ndarray) -> float:
        if metric == "pearson":
            return float(100 * np.corrcoef(scores[rows], noise[0][rows])[0, 1])
        if metric == "f1-macro":
            return float(np.mean([f1(scores[rows, j] > 0, given[rows, j]) for j in range(3)]))
        return f1(scores[rows] > 0, given[rows])

    draws = [random.integers(0, 300, 300) for _ in range(3000)]
    low, high = resampled([score(dense, rows) - score(pruned, rows) for rows in draws])
    found = drop_interval(head, targets, *answers, metric)
    assert found == pytest.approx((low, high), abs=0.12 * (high - low))
    drop = score(dense, np.arange(300)) - score(pruned, np.arange(300))
    assert found[0] < drop < found[1]
    assert found == drop_interval(head, targets, *answers, metric), "it is the same every time"
    least = 196 * np.sqrt(2 / 302 / 302)
    expected = (0.0, 0.0) if metric == "pearson" else (-least, least)
    same = drop_interval(head, targets, answers[0], answers[0], metric)
    assert same == pytest.approx(expected)


def test_resamples_whose_score_is_undefined_do_not_count() -> None:
    targets = np.array([1.0, 1.0, 1.0, 2.0])
    dense, pruned = targets[:, None], np.array([[1.0], [1.2], [0.7], [1.4]])
    low, high = drop_interval(VALUES, targets, dense, pruned, None)
    assert 0 <= low <= high <= 200
    with pytest.raises(LtpError, match="pearson is undefined on too few texts: 3"):
        drop_interval(VALUES, targets[:3], dense[:3], pruned[:3], None)


def each_query(found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """[queries] the mean of a query's answers; targets are [N, 2] with its number."""
    sums = np.bincount(targets[:, 1].astype(int), found)
    return sums / np.bincount(targets[:, 1].astype(int))


class OfQueries(Regression):
    """Values that are judged query by query."""

    judged_metrics = ("mean",)
    metrics = {"mean": Mean(each_query, lambda targets: len(np.unique(targets[:, 1])))}  # noqa: RUF012


def of_queries(values: np.ndarray, passages: int) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and logits with these values [queries] of queries with so many passages."""
    query = np.repeat(np.arange(len(values)), passages)
    return np.stack([np.zeros(len(query)), query], 1), np.repeat(values, passages)[:, None]


@pytest.mark.parametrize("queries", [60, 400])
def test_a_mean_has_the_interval_of_a_bootstrap_over_its_units(queries: int) -> None:
    random = np.random.default_rng(1)
    values = random.random((2, queries))
    head = OfQueries(VALUES.config)
    targets, dense = of_queries(values[0], 9)
    _, pruned = of_queries(values[1], 9)
    found = drop_interval(head, targets, dense, pruned, None)
    lost = 100 * (values[0] - values[1])
    half = 1.96 * lost.std() / np.sqrt(queries)  # of a mean, by the normal distribution
    assert found == pytest.approx((lost.mean() - half, lost.mean() + half), abs=0.15 * half)
    assert found == drop_interval(head, targets, dense, pruned, "mean"), "the same every time"
    draws = np.random.default_rng(0).integers(0, queries, (1000, queries))
    assert found == pytest.approx(resampled(lost[draws].mean(1)))
    error = standard_error(head, targets, dense, pruned, None)
    assert error == pytest.approx((found[1] - found[0]) / 3.92)


def test_a_mean_over_few_changed_units_has_no_narrow_interval() -> None:
    values = np.random.default_rng(1).random(50)
    targets, dense = of_queries(values, 9)
    least = 196 * np.sqrt(2 / 52 / 52)  # of 50 texts of which no answer changed
    found = drop_interval(OfQueries(VALUES.config), targets, dense, dense, None)
    assert found == pytest.approx((-least, least))
    values[3] -= 0.1
    found = drop_interval(OfQueries(VALUES.config), targets, dense, of_queries(values, 9)[1], None)
    assert found == pytest.approx((0.2 - least, 0.2 + least))
