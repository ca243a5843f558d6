"""What heads with one value for each text, or pair of texts, have in common."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.labels import Label, as_number
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head, sigmoid
from ltp_deploy.heads.naming import one_label
from ltp_deploy.heads.prediction import Prediction

if TYPE_CHECKING:
    from torch import Tensor


class Value(Head):
    """The single logit is the value, on a scale of the model's own."""

    gives_values = True

    @classmethod
    def outputs_for(cls, labels: Sequence[Label]) -> int:
        """One; labels must be numbers."""
        _numbers(labels)
        return 1

    def activation(self, logits: np.ndarray) -> np.ndarray:
        """The values: logits, or what the checkpoint says that becomes of them."""
        if self.config.answer_activation == "sigmoid":
            return sigmoid(logits)
        return np.tanh(logits) if self.config.answer_activation == "tanh" else logits

    def read(self, logits: np.ndarray) -> list[Prediction]:
        """The values."""
        rows = self.activation(logits)
        return [Prediction(None, float(row[0]), row) for row in rows]

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N] the logits."""
        return logits[:, 0]

    def labels(self, logits: np.ndarray) -> None:
        return None

    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> np.ndarray:
        """[N] float64, the values."""
        return _numbers(labels)

    def changed(self, reference: np.ndarray, logits: np.ndarray) -> None:
        return None

    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """The mean squared error of logits [B, 1] against the teacher's.

        Not of what an activation makes of them: a reranker's logits go from -11 to 11, where the
        sigmoid is flat, and a cross-entropy of probabilities would hardly see in which order the
        best passages stand. Logits keep that order however far out they are.
        """
        from torch.nn import functional

        return functional.mse_loss(logits, teacher)


def _numbers(labels: Sequence[Label]) -> np.ndarray:
    values = []
    for row, label in enumerate(labels, 1):
        value = as_number(one_label(row, label))
        if value is None or not isfinite(value):
            raise LtpError(f"row {row} has the label {label!r}, the model gives numbers")
        values.append(value)
    return np.array(values, np.float64)
