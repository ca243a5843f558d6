"""The metrics against their definitions, counted by hand."""

import numpy as np
import pytest

from ltp_deploy.data.metrics import score
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.compare import predictions

# Predicted 0 1 0 1 1 0; two true positives, one false positive, one false negative.
LOGITS = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 0]])
LABELS = np.array([0, 1, 1, 1, 0, 0])
VALUES = np.array([[1.0], [2.0], [3.0], [10.0]])


def test_scores_are_accuracy_or_correlation() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert predictions(logits).tolist() == [0, 1, 0, 1]
    assert score(logits, np.array([0, 1, 1, 1])) == ("accuracy %", 75.0)
    name, value = score(np.array([[1.0], [2.0], [3.0]]), np.array([10.0, 20.0, 30.0]))
    assert (name, value) == ("pearson %", pytest.approx(100.0))


@pytest.mark.parametrize(
    ("metric", "value"),
    [(None, 100 * 4 / 6), ("accuracy", 100 * 4 / 6), ("f1", 100 * 2 / 3), ("matthews", 100 / 3)],
)
def test_of_classes(metric: str | None, value: float) -> None:
    assert score(LOGITS, LABELS, metric) == (f"{metric or 'accuracy'} %", pytest.approx(value))


def test_of_regressions() -> None:
    targets = np.array([10.0, 20.0, 30.0, 40.0])
    name, value = score(VALUES, targets)
    assert (name, value) == ("pearson %", pytest.approx(100 * np.corrcoef(VALUES.T, targets)[0, 1]))
    assert score(VALUES, targets, "spearman") == ("spearman %", pytest.approx(100.0))
    tied = np.array([1.0, 2.0, 2.0, 3.0])
    ranks = np.corrcoef([1, 2, 3, 4], [1, 2.5, 2.5, 4])[0, 1]
    assert score(VALUES, tied, "spearman")[1] == pytest.approx(100 * ranks)


def test_answers_that_never_change_score_nothing() -> None:
    same = np.tile([1.0, 0.0], (6, 1))
    assert score(same, LABELS, "matthews")[1] == 0.0
    assert score(same, LABELS, "f1")[1] == 0.0
    assert score(np.ones((4, 1)), np.arange(4))[1] == 0.0


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(LtpError, match="f1 is no metric for a regression"):
        score(VALUES, np.arange(4), "f1")
    with pytest.raises(LtpError, match="pearson is no metric for classes"):
        score(LOGITS, LABELS, "pearson")
    with pytest.raises(LtpError, match="f1 is for two classes, and the labels have 3"):
        score(np.eye(3), np.arange(3), "f1")
