"""One label for each text, of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.metrics import accuracy, correlation, f1
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head
from ltp_deploy.model.config import EncoderConfig

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Head):
    """The label is the class with the largest logit."""

    name = "classification"
    noun = "classes"
    metrics = {"accuracy": accuracy, "f1": f1, "matthews": correlation}  # noqa: RUF012
    binary_metrics = frozenset({"f1", "matthews"})

    def outputs_for(self, labels: Sequence[float]) -> int:
        """One for each class; classes are numbered from 0."""
        return int(max(labels)) + 1

    def activation(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities: the softmax of each row."""
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N] the numbers of the classes."""
        return logits.argmax(1)

    def labels(self, logits: np.ndarray, config: EncoderConfig) -> list[str] | None:
        if not config.labels:
            return None
        return [config.labels[i] for i in self.predictions(logits)]

    def targets(self, labels: Sequence[float | str], config: EncoderConfig) -> np.ndarray:
        """[N] the numbers of the classes; names become the numbers that the model gives them."""
        names = {name: i for i, name in enumerate(config.labels)}
        values = [names.get(label, label) if isinstance(label, str) else label for label in labels]
        for row, value in enumerate(values, 1):
            if value not in range(config.num_labels):
                known = list(config.labels) or f"0..{config.num_labels - 1}"
                raise LtpError(f"row {row} has the label {value!r}, the model knows {known}")
        return np.array(values)

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
