"""Heads: scores against their definitions, counted by hand; labels, targets, losses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.labels import ClassName
from ltp_deploy.errors import CheckpointError, LtpError
from ltp_deploy.heads import HEADS, head_for, head_of
from ltp_deploy.model.config import EncoderConfig
from tests.heads.models import a_head

# Predicted 0 1 0 1 1 0; two true positives, one false positive, one false negative.
LOGITS = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1], [0, 1], [1, 0]])
LABELS = np.array([0, 1, 1, 1, 0, 0])
VALUES = np.array([[1.0], [2.0], [3.0], [10.0]])


def score(logits: np.ndarray, labels: np.ndarray, metric: str | None = None) -> tuple[str, float]:
    """By the head of a regression for one output, else by that of classes."""
    name = "regression" if logits.shape[1] == 1 else "classification"
    return a_head(name, logits.shape[1]).score(logits, labels, metric)


@pytest.fixture
def config(bert_checkpoint: Path) -> EncoderConfig:
    """Of a model with the labels "bad" and "good"."""
    return load_encoder(bert_checkpoint).config


def test_scores_are_accuracy_or_correlation() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert a_head("classification").predictions(logits).tolist() == [0, 1, 0, 1]
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
    with pytest.raises(LtpError, match="f1 is for two classes, and the model has 3"):
        score(np.eye(3), np.array([0, 1, 1]), "f1")


def named(config: EncoderConfig, *names: str, labels: int | None = None) -> EncoderConfig:
    """The configuration of a model with these names, or with so many labels without names."""
    return replace(config, labels=names, num_labels=labels or len(names))


STARS = ("1", "2", "3", "4", "5")


@pytest.mark.parametrize(
    ("names", "labels", "numbers"),
    [
        (("bad", "good"), [0.0, 1.0], [0, 1]),
        (("bad", "good"), ["good", "bad"], [1, 0]),
        (("bad", "good"), ["1", "0.0"], [1, 0]),
        (("bad", "Very Good"), ["very good", "BAD"], [1, 0]),
        (("a", "A", "b"), ["A", "B", "a"], [1, 2, 0]),
        ((), ["True", "false"], [1, 0]),
        ((), ["LABEL_2", "label_0"], [2, 0]),
        (("False", "True"), ["true", "FALSE"], [1, 0]),
        (("True", "False"), ["true", "FALSE"], [0, 1]),
        (STARS, ["1", "3", "4"], [0, 2, 3]),
        (STARS, [1, 3.0, "5.0"], [0, 2, 4]),
        (STARS, ["0", "3", "4"], [0, 3, 4]),
        (("-1", "0", "1"), ["0", "1"], [1, 2]),
        (("-1", "0", "1"), ["0", "1", "-1.0"], [1, 2, 0]),
        (("-1", "0", "1"), ["0", "1", "2"], [0, 1, 2]),
        (("a", "a", "b"), ["0", "2"], [0, 2]),
        ((), [0, "2"], [0, 2]),
        (("bad", "good"), [np.int64(1), np.float32(0)], [1, 0]),
        (("bad", "good"), [], []),
    ],
)
def test_labels_are_the_models_names_or_else_numbers(
    names: tuple[str, ...], labels: list, numbers: list[int], config: EncoderConfig
) -> None:
    known = named(config, *names, labels=len(names) or 3)
    assert HEADS["classification"](known).targets(labels).tolist() == numbers


@pytest.mark.parametrize("label", [2.0, -1.0, 0.5, "neutral", float("nan"), "inf", ""])
def test_a_label_that_the_model_does_not_know_is_refused(
    label: float | str, config: EncoderConfig
) -> None:
    with pytest.raises(LtpError, match=r"row 2 has the label .*, the model knows .*'bad', 'good'"):
        head_of(config).targets([1.0, label])


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("-", "row 1 has the label '-', .* where annotators do not agree"),
        ("-1", "row 1 has the label '-1', .* -1 where there is no label"),
        ("a", "row 1 has the label 'a', .* several outputs have this name"),
        (["b"], "row 1: one label for each text is needed, found .*; labels of tokens and spans"),
        ({"b": True}, "row 1: one label for each text is needed"),
        ("true", "row 1 has the label 'true', the model knows"),
    ],
)
def test_why_a_label_is_unknown_is_said(label: object, message: str, config: EncoderConfig) -> None:
    with pytest.raises(LtpError, match=message):
        HEADS["classification"](named(config, "a", "a", "b")).targets([label])


def test_a_class_that_the_data_names_is_found_by_its_name(config: EncoderConfig) -> None:
    labels = [ClassName("entailment", 0), ClassName("contradiction", 2)]
    known = named(config, "contradiction", "entailment", "neutral")
    assert HEADS["classification"](known).targets(labels).tolist() == [1, 0]
    assert HEADS["classification"](named(config, labels=3)).targets(labels).tolist() == [0, 2]
    assert HEADS["regression"](named(config, labels=1)).targets(labels).tolist() == [0, 2]
    sets = [labels, labels[:1]]
    found = HEADS["multi_label"](known).targets(sets).tolist()
    assert found == [[True, True, False], [False, True, False]]
    with pytest.raises(LtpError, match=r"row 1 has the label 'entailment', .* its class 0 so: wri"):
        HEADS["classification"](named(config, "no", "yes", "perhaps")).targets(labels)


def test_a_name_that_differs_in_case_from_two_is_refused(config: EncoderConfig) -> None:
    with pytest.raises(LtpError, match="row 1 has the label 'It', the model knows"):
        HEADS["classification"](named(config, "IT", "it")).targets(["It"])


def test_names_and_numbers_are_not_mixed(config: EncoderConfig) -> None:
    with pytest.raises(
        LtpError, match=r"row 1 has the label 'good', a name .*, and row 2 0.0, which can only be"
    ):
        head_of(config).targets(["good", 0.0])
    with pytest.raises(LtpError, match=r"row 2 has the label '5', a name .*, and row 1 '0', which"):
        HEADS["classification"](named(config, *STARS)).targets(["0", "5"])


def test_a_regression_takes_finite_numbers_alone(config: EncoderConfig) -> None:
    head = a_head("regression", 1)
    assert head.targets([0.5, "-2", "1e1", "true"]).tolist() == [0.5, -2.0, 10.0, 1.0]
    for label in ("good", "nan", float("inf")):
        with pytest.raises(LtpError, match=r"row 2 has the label .*, the model gives numbers"):
            head.targets([0.5, label])
    with pytest.raises(LtpError, match="row 1: one label for each text"):
        head.targets([[0.5]])


@pytest.mark.parametrize(
    ("outputs", "problem_type", "name"),
    [
        (1, None, "ranking"),
        (2, None, "classification"),
        (1, "regression", "regression"),
        (3, "single_label_classification", "classification"),
        (6, "multi_label_classification", "multi_label"),
        (1, "multi_label_classification", "multi_label"),
    ],
)
def test_the_head_is_that_of_the_problem_type(
    outputs: int, problem_type: str | None, name: str
) -> None:
    assert head_for(outputs, problem_type) == name
    assert problem_type in (None, HEADS[name].problem_type)


@pytest.mark.parametrize(
    ("outputs", "problem_type", "message"),
    [
        (2, "regression", "with 2 outputs is not supported"),
        (
            1,
            "single_label_classification",
            "with one output .* write regression, where .* reranker leave out",
        ),
        (2, "token_classification", "'token_classification' is unknown; there are single_label_cl"),
        (2, 5, "problem_type 5 is unknown"),
        (2, ["regression"], r"problem_type \['regression'\] is unknown"),
        (2, {}, "problem_type {} is unknown"),
    ],
)
def test_a_problem_type_that_does_not_fit_is_refused(
    outputs: int, problem_type: object, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        head_for(outputs, problem_type)


def test_an_answer_is_a_label_or_a_value(config: EncoderConfig) -> None:
    classes, values = head_of(config), a_head("regression", 1)
    assert classes.labels(np.array([[1.0, 0.0], [0.0, 1.0]])) == ["bad", "good"]
    assert values.labels(VALUES) is None
    np.testing.assert_allclose(classes.activation(LOGITS).sum(1), 1)
    assert classes.activation(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
    np.testing.assert_array_equal(values.activation(VALUES), VALUES)
    for name, expected in (("sigmoid", 1 / (1 + np.exp(-VALUES))), ("tanh", np.tanh(VALUES))):
        for kind in ("regression", "ranking"):
            head = a_head(kind, 1, answer_activation=name)
            np.testing.assert_allclose(head.activation(VALUES), expected)


def test_an_answer_changes_where_the_class_does() -> None:
    other = LOGITS.copy()
    other[2] = [0, 5]
    assert a_head("classification").flips(LOGITS, other) == 1
    assert a_head("classification").flips(LOGITS, 3 * LOGITS) == 0
    assert a_head("regression").flips(VALUES, VALUES + 1) is None


def test_losses_fall_as_answers_approach_the_labels() -> None:
    classes, values = a_head("classification"), a_head("regression", 1)
    logits, labels = torch.tensor(LOGITS), torch.tensor(LABELS)
    assert classes.loss(4 * torch.eye(2)[labels], labels) < classes.loss(logits, labels)
    assert values.loss(torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])).item() == 2.0
    for head, teacher in ((classes, logits), (values, torch.tensor(VALUES))):
        assert head.distillation(teacher, teacher).item() == pytest.approx(0, abs=1e-9)
        assert head.distillation(teacher + torch.arange(teacher.shape[1]) + 1, teacher) > 0


def test_names_that_are_the_outputs_numbers_name_nothing(config: EncoderConfig) -> None:
    head = HEADS["classification"](named(config, "0", "1"))
    assert head.targets(["0", 1, "1"]).tolist() == [0, 1, 1]
    called = [ClassName("neg", 0), ClassName("pos", 1)]
    assert head.targets(called).tolist() == [0, 1]
