"""One value for each text, or pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.labels import Label, as_number
from ltp_deploy.data.metrics import correlation, spearman
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head, sigmoid
from ltp_deploy.heads.naming import one_label
from ltp_deploy.heads.prediction import Prediction

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Head):
    """The single logit is the value."""

    name = "regression"
    noun = "a regression"
    problem_type = "regression"
    judged_metrics = ("pearson",)
    gives_values = True
    metrics = {"pearson": correlation, "spearman": spearman}  # noqa: RUF012

    @classmethod
    def outputs_for(cls, labels: Sequence[Label]) -> int:
        """One, whatever the labels are."""
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
        """[N] the values."""
        return logits[:, 0]

    def labels(self, logits: np.ndarray) -> None:
        return None

    def targets(self, labels: Sequence[Label]) -> np.ndarray:
        """[N] float64, the values."""
        values = []
        for row, label in enumerate(labels, 1):
            value = as_number(one_label(row, label))
            if value is None or not isfinite(value):
                raise LtpError(f"row {row} has the label {label!r}, the model gives numbers")
            values.append(value)
        return np.array(values)

    def changed(self, reference: np.ndarray, logits: np.ndarray) -> None:
        return None

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error of outputs [B, 1] against targets [B]."""
        from torch.nn import functional

        return functional.mse_loss(logits[:, 0], targets.to(logits.dtype))

    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """The mean squared error of outputs [B, 1] against the teacher's."""
        from torch.nn import functional

        return functional.mse_loss(logits, teacher)
