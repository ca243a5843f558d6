"""One label for each text, of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.labels import Label
from ltp_deploy.data.metrics import accuracy, correlation, f1
from ltp_deploy.data.texts import Text
from ltp_deploy.heads.head import Head
from ltp_deploy.heads.naming import (
    all_known,
    by_name,
    by_number,
    numbered,
    one_label,
    refuse_mixture,
    refuse_unknown,
)
from ltp_deploy.heads.prediction import Prediction

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Head):
    """The label is the class with the largest logit."""

    name = "classification"
    noun = "classes"
    problem_type = "single_label_classification"
    metrics = {"accuracy": accuracy, "f1": f1, "matthews": correlation}  # noqa: RUF012
    judged_metrics = ("accuracy",)
    binary_metrics = frozenset({"f1", "matthews"})

    @classmethod
    def outputs_for(cls, labels: Sequence[Label]) -> int:
        """One for each class; classes are numbered from 0, and each occurs."""
        return numbered([one_label(row, label) for row, label in enumerate(labels, 1)], 2)

    def activation(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities: the softmax of each row."""
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def read(self, logits: np.ndarray) -> list[Prediction]:
        """The likeliest class and its probability."""
        names, rows = self.names(), self.activation(logits)
        return [
            Prediction(names[i], float(row[i]), row)
            for i, row in zip(self.predictions(logits).tolist(), rows, strict=True)
        ]

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N] the numbers of the classes."""
        return logits.argmax(1)

    def labels(self, logits: np.ndarray) -> list[str] | None:
        if not self.config.labels:
            return None
        return [self.config.labels[i] for i in self.predictions(logits)]

    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> np.ndarray:
        """[N] the numbers of the classes.

        Where every label is a name that the model gives a class, labels are names, also if they
        read as numbers. Else every label must be the number of a class.
        """
        rows = [one_label(row, label) for row, label in enumerate(labels, 1)]
        name, number = by_name(self.config), by_number(self.config)
        names = [name(label) for label in rows]
        numbers = [number(label) for label in rows]
        found = all_known(names) or all_known(numbers)
        if found is not None:
            return np.array(found, np.int64)
        for row, label in enumerate(rows, 1):
            if names[row - 1] is None and numbers[row - 1] is None:
                refuse_unknown(row, label, self.config)
        without_number, without_name = numbers.index(None), names.index(None)
        refuse_mixture(
            (without_number + 1, rows[without_number]), (without_name + 1, rows[without_name])
        )

    def changed(self, reference: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """[N] bool, where the class is another."""
        return self.predictions(reference) != self.predictions(logits)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of logits [B, classes] and class numbers [B]."""
        from torch.nn import functional

        return functional.cross_entropy(logits, targets.long())

    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """The mean Kullback-Leibler divergence from the teacher's probabilities."""
        from torch.nn import functional

        return functional.kl_div(
            functional.log_softmax(logits, -1),
            functional.softmax(teacher, -1),
            reduction="batchmean",
        )
