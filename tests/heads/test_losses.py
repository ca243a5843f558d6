"""Losses of classes and of a regression, against NumPy."""

import numpy as np
import pytest
import torch

from ltp_deploy.heads import head_for_labels, head_of
from ltp_deploy.learn.masks import Dense
from ltp_deploy.learn.model import Learner, Objective
from ltp_deploy.model.policy import PrunePolicy
from tests.heads.models import a_head
from tests.model.problems import tiny_encoder

LOGITS = np.random.default_rng(0).normal(size=(4, 3))
TEACHER = np.random.default_rng(1).normal(size=(4, 3))
CLASSES = np.array([2, 0, 1, 1])
TARGETS = np.array([0.5, -1.0, 2.0, 0.25])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(1, keepdims=True)


def test_classes_are_trained_on_cross_entropy_and_divergence() -> None:
    head = a_head("classification", 3)
    logits, teacher = torch.tensor(LOGITS), torch.tensor(TEACHER)
    expected = -np.log(softmax(LOGITS)[np.arange(4), CLASSES]).mean()
    assert head.loss(logits, torch.tensor(CLASSES)).item() == pytest.approx(expected)
    wanted = softmax(TEACHER)
    divergence = (wanted * np.log(wanted / softmax(LOGITS))).sum(1).mean()
    assert head.distillation(logits, teacher).item() == pytest.approx(divergence)


def test_a_regression_is_trained_on_squared_errors() -> None:
    head = a_head("regression", 1)
    found, teacher = LOGITS[:, :1], TEACHER[:, :1]
    loss = head.loss(torch.tensor(found), torch.tensor(TARGETS))
    assert loss.item() == pytest.approx(((found[:, 0] - TARGETS) ** 2).mean())
    distillation = head.distillation(torch.tensor(found), torch.tensor(teacher))
    assert distillation.item() == pytest.approx(((found - teacher) ** 2).mean())


@pytest.mark.parametrize(("labels", "outputs"), [([0.0, 1.0, 2.0], 3), ([0.0, 0.5], 1)])
def test_labels_that_are_not_whole_numbers_make_a_regression(
    labels: list[float], outputs: int
) -> None:
    assert head_for_labels(labels).outputs_for(labels) == outputs


@pytest.mark.parametrize(
    ("kind", "labels"), [("regression", 1), ("ranking", 1), ("classification", 2)]
)
def test_the_loss_weighs_the_teacher_against_the_labels(kind: str, labels: int) -> None:
    encoder = tiny_encoder(PrunePolicy.dense(2), num_labels=labels, head=kind)
    head = head_of(encoder.config)
    batch = torch.tensor([[5, 6, 7], [8, 9, 5]])
    real, teacher = torch.ones_like(batch), torch.tensor(TEACHER[:2, :labels]).float()
    model = Learner(encoder, Dense(), Objective(distill=0.25)).eval()
    targets = torch.tensor(head.targets(["1", "0"]))
    found = model(batch, real, 0 * batch, targets, teacher)
    alone = head.loss(found["logits"], targets)
    taught = head.distillation(found["logits"], teacher)
    torch.testing.assert_close(found["loss"], 0.75 * alone + 0.25 * taught)
