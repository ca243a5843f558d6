"""A vector for each text, which others are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ltp_deploy.data.labels import Label
from ltp_deploy.data.metrics import cosine
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head
from ltp_deploy.heads.prediction import Prediction

if TYPE_CHECKING:
    from torch import Tensor

COMPARED = 256  # texts, each with each


class EmbeddingHead(Head):
    """The outputs are the vector's entries. Data has no labels for it: what a vector should be, the
    same model without pruning says."""

    name = "embedding"
    noun = "an embedding"
    problem_type = ""
    judged_metrics = ("cosine",)
    gives_values = True
    labelled = False
    metrics = {"cosine": cosine}  # noqa: RUF012

    @classmethod
    def outputs_for(cls, labels: Sequence[Label]) -> NoReturn:
        raise LtpError("labels say nothing of an embedding")

    def activation(self, logits: np.ndarray) -> np.ndarray:
        """The vectors."""
        return logits

    def read(self, logits: np.ndarray) -> list[Prediction]:
        raise LtpError("this model answers with vectors, not with labels: use `engine.encode`")

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N, outputs] the vectors."""
        return logits

    def labels(self, logits: np.ndarray) -> None:
        return None

    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> NoReturn:
        raise LtpError(
            "this model answers with vectors, which labels say nothing of; it is judged by the "
            "cosine with the vectors of the same model without pruning"
        )

    def changed(self, reference: np.ndarray, logits: np.ndarray) -> None:
        return None

    def values(self, logits: np.ndarray, texts: Sequence[Text]) -> tuple[np.ndarray, np.ndarray]:
        """The cosines of each text with the others, of the first texts; order counts within those
        of one text."""
        unit = unit_length(logits[:COMPARED])
        others = ~np.eye(len(unit), dtype=bool)
        rows = np.broadcast_to(np.arange(len(unit))[:, None], others.shape)
        return (unit @ unit.T)[others], rows[others]

    def pool(self, logits: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """The mean of a text's windows, of unit length where the vectors are."""
        pooled = super().pool(logits, windows)
        assert self.config.embedding is not None
        return unit_length(pooled) if self.config.embedding.normalize else pooled

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Half the mean squared distance of vectors [B, outputs] from others, relative to the
        others' squared norm; of unit vectors that is 1 minus the mean cosine."""
        return ((logits - targets).square().sum(1) / (2 * targets.square().sum(1))).mean()

    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """The same, of the teacher's vectors."""
        return self.loss(logits, teacher)


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, d] at unit length; those of 0 stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
