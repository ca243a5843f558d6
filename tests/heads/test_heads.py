"""Heads: scores against their definitions, counted by hand; labels, targets, losses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import HEADS, head_for, head_of
from ltp_deploy.model.config import EncoderConfig

# Predicted 0 1 0 1 1 0; two true positives, one false positive, one false negative.
LOGITS = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 0]])
LABELS = np.array([0, 1, 1, 1, 0, 0])
VALUES = np.array([[1.0], [2.0], [3.0], [10.0]])


def score(logits: np.ndarray, labels: np.ndarray, metric: str | None = None) -> tuple[str, float]:
    """By the head that has so many outputs."""
    return HEADS[head_for(logits.shape[1])].score(logits, labels, metric)


@pytest.fixture
def config(bert_checkpoint: Path) -> EncoderConfig:
    """Of a model with the labels "bad" and "good"."""
    return load_encoder(bert_checkpoint).config


def test_scores_are_accuracy_or_correlation() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert HEADS["classification"].predictions(logits).tolist() == [0, 1, 0, 1]
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


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [([0.0, 1.0], [0, 1]), (["good", "bad"], [1, 0]), (["good", 0.0], [1, 0])],
)
def test_labels_are_numbers_or_the_models_names(
    labels: list[float | str], numbers: list[int], config: EncoderConfig
) -> None:
    assert head_of(config).targets(labels, config).tolist() == numbers


@pytest.mark.parametrize("label", [2.0, -1.0, 0.5, "neutral", float("nan")])
def test_a_label_that_the_model_does_not_know_is_refused(
    label: float | str, config: EncoderConfig
) -> None:
    with pytest.raises(LtpError, match=r"row 2 has the label .*, the model knows .*'bad', 'good'"):
        head_of(config).targets([1.0, label], config)


def test_a_regression_takes_numbers_alone(config: EncoderConfig) -> None:
    head = HEADS["regression"]
    assert head.targets([0.5, -2.0], config).tolist() == [0.5, -2.0]
    with pytest.raises(LtpError, match="row 2 has the label 'good', the model gives numbers"):
        head.targets([0.5, "good"], config)


def test_an_answer_is_a_label_or_a_value(config: EncoderConfig) -> None:
    classes, values = HEADS["classification"], HEADS["regression"]
    assert classes.labels(np.array([[1.0, 0.0], [0.0, 1.0]]), config) == ["bad", "good"]
    assert values.labels(VALUES, config) is None
    np.testing.assert_allclose(classes.activation(LOGITS).sum(1), 1)
    assert classes.activation(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
    np.testing.assert_array_equal(values.activation(VALUES), VALUES)
    for head in HEADS.values():
        assert head.outputs(config) == {"logits": ("B", 2)}


def test_an_answer_changes_where_the_class_does() -> None:
    other = LOGITS.copy()
    other[2] = [0, 5]
    assert HEADS["classification"].flips(LOGITS, other) == 1
    assert HEADS["classification"].flips(LOGITS, 3 * LOGITS) == 0
    assert HEADS["regression"].flips(VALUES, VALUES + 1) is None


def test_losses_fall_as_answers_approach_the_labels() -> None:
    classes, values = HEADS["classification"], HEADS["regression"]
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    assert classes.loss(4 * torch.eye(2)[labels], labels) < classes.loss(logits, labels)
    assert values.loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])).item() == 2.0
    for head, teacher in ((classes, logits), (values, torch.tensor(VALUES))):
        assert head.distillation(teacher, teacher).item() == pytest.approx(0, abs=1e-9)
        assert head.distillation(teacher + torch.arange(teacher.shape[1]) + 1, teacher) > 0
