"""What training needs to know about each kind of answer: classes, or one number (a regression).

A model with a single output is a regression; every other one is a classifier. Nothing else in
training asks which of the two it has. PyTorch is imported where it computes, so that asking for a
kind costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AnswerKind:
    """One kind of answer.

    Attributes:
        outputs: from the labels of a data set to the number of outputs that a new head needs.
        loss: from logits [B, outputs] and labels [B] to a scalar.
        distillation: from logits [B, outputs] and the teacher's [B, outputs] to a scalar.
    """

    outputs: Callable[[Sequence[float]], int]
    loss: Callable[[Tensor, Tensor], Tensor]
    distillation: Callable[[Tensor, Tensor], Tensor]


def class_outputs(labels: Sequence[float]) -> int:
    """One output for each class; classes are numbered from 0."""
    return int(max(labels)) + 1


def class_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of logits [B, classes] and class numbers [B]."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels.long())


def class_distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """The mean Kullback-Leibler divergence of the answers' probabilities from the teacher's.

    Both arguments are logits [B, classes].
    """
    from torch.nn import functional

    return functional.kl_div(
        functional.log_softmax(logits, -1), functional.softmax(teacher, -1), reduction="batchmean"
    )


def regression_outputs(labels: Sequence[float]) -> int:
    """One output, whatever the labels are."""
    return 1


def regression_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean squared error of outputs [B, 1] against targets [B]."""
    from torch.nn import functional

    return functional.mse_loss(logits[:, 0], labels.to(logits.dtype))


def regression_distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared error of outputs [B, 1] against the teacher's [B, 1]."""
    from torch.nn import functional

    return functional.mse_loss(logits, teacher)


KINDS = {  # by whether it is a regression
    False: AnswerKind(class_outputs, class_loss, class_distillation),
    True: AnswerKind(regression_outputs, regression_loss, regression_distillation),
}


def answer_kind(outputs: int) -> AnswerKind:
    """The kind of answer of a model with this number of outputs."""
    return KINDS[outputs == 1]


def kind_of_labels(labels: Sequence[float]) -> AnswerKind:
    """The kind of answer that these labels ask for: whole numbers are classes."""
    return KINDS[not all(float(label).is_integer() for label in labels)]
