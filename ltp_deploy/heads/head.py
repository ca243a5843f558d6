"""The protocol of a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ltp_deploy.data.labels import Label
from ltp_deploy.data.metrics import CORRELATIONS
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.prediction import Name, Prediction
from ltp_deploy.model.config import EncoderConfig

if TYPE_CHECKING:
    from torch import Tensor

Metric = Callable[[np.ndarray, np.ndarray], float]


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), of numbers of any size."""
    found: np.ndarray = 0.5 * (1 + np.tanh(0.5 * logits))
    return found


class Head(ABC):
    """The answers of one model. `logits` are always [N, outputs] float32, as engines give them.

    Attributes:
        config: the model's.
        name: as manifests have it.
        noun: what it answers, for messages.
        problem_type: as transformers' config.json has it; "" for a head that no such entry means.
        metrics: by name, (predictions, targets) -> 0..1 or -1..1, both as `predictions` and
            `targets` give them; the default first.
        judged_metrics: those that a verification judges where none is named.
        labelled: whether data has labels for such answers; else they are judged by those of the
            same model without pruning.
        gives_values: whether answers are values, which always differ a little; else labels.
        binary_metrics: those that are defined for the targets 0 and 1 alone.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    problem_type: ClassVar[str]
    metrics: ClassVar[Mapping[str, Metric]]
    judged_metrics: ClassVar[tuple[str, ...]]
    labelled: ClassVar[bool] = True
    gives_values: ClassVar[bool] = False
    binary_metrics: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, config: EncoderConfig):
        self.config = config

    @classmethod
    @abstractmethod
    def outputs_for(cls, labels: Sequence[Label]) -> int:
        """The number of outputs that a new head for the labels of N texts needs.

        Raises:
            LtpError: they do not say.
        """

    @abstractmethod
    def activation(self, logits: np.ndarray) -> np.ndarray:
        """[N, outputs] on the scale that users read: probabilities, or values."""

    @abstractmethod
    def read(self, logits: np.ndarray) -> list[Prediction]:
        """Each sequence's label or labels and their probabilities, or its value."""

    @abstractmethod
    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N], or [N, outputs] for a head with several labels, what `metrics` compare with the
        targets."""

    @abstractmethod
    def labels(self, logits: np.ndarray) -> list[str] | list[list[str]] | None:
        """The predicted label of each sequence, or its labels where it may have several; None
        where the model knows no names."""

    @abstractmethod
    def targets(self, labels: Sequence[Label]) -> np.ndarray:
        """Numbers for the labels of a data set, of the shape of `predictions`.

        What labels mean is decided for all of them together.

        Raises:
            LtpError: a label that the model cannot give, with its row.
        """

    @abstractmethod
    def changed(self, reference: np.ndarray, logits: np.ndarray) -> np.ndarray | None:
        """[N] bool, where two models' answers differ in kind; None where answers are values, which
        always differ a little."""

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """What training minimises, a scalar: logits [B, outputs], targets [B], or
        [B, outputs] for a head with several labels."""

    @abstractmethod
    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """How far logits [B, outputs] are from a teacher's, a scalar."""

    def names(self) -> list[Name]:
        """What each output is called: by its number where the model knows no names."""
        return list(self.config.labels) or list(range(self.config.num_labels))

    def pool(self, logits: np.ndarray, windows: np.ndarray) -> np.ndarray:
        """[N, outputs] the answers to N texts that were read in windows: their mean.

        Args:
            logits: [sum of windows, outputs], the windows of a text one after another.
            windows: [N] how many a text has, at least one.
        """
        starts = np.cumsum(windows) - windows
        sums = np.add.reduceat(logits, starts) if len(windows) else logits
        return (sums / windows[:, None]).astype(np.float32)

    def values(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The numbers [M] by which two models' values are compared, and for each the number of the
        group within which their order counts; None where the texts say what the groups are."""
        return self.predictions(logits), None

    def flips(self, reference: np.ndarray, logits: np.ndarray) -> int | None:
        """How many sequences change their answer; None where answers are values."""
        changed = self.changed(reference, logits)
        return None if changed is None else int(changed.sum())

    def scores(
        self, logits: np.ndarray, targets: np.ndarray, metric: str | None = None
    ) -> dict[str, float]:
        """What a verification judges, see `score`: the metric that is named, or `judged_metrics`
        without those that are undefined for these targets.

        Raises:
            LtpError: see `score`; or none is defined.
        """
        defined = [name for name in self.judged_metrics if self.defined(name, targets)]
        names = [metric] if metric else defined or self.judged_metrics
        return dict(self.score(logits, targets, name) for name in names)

    def defined(self, metric: str, targets: np.ndarray) -> bool:
        """Whether these targets [N] have such a score."""
        return self.metrics[metric] not in CORRELATIONS or bool(np.ptp(targets))

    def score(
        self, logits: np.ndarray, targets: np.ndarray, metric: str | None = None
    ) -> tuple[str, float]:
        """(metric with its unit, value in percent).

        Args:
            metric: a name in `metrics`, None for the first.

        Raises:
            LtpError: the metric is for another kind of answer, or undefined for these targets.
        """
        metric = metric or next(iter(self.metrics))
        if metric not in self.metrics:
            raise LtpError(
                f"{metric} is no metric for {self.noun}; there are {', '.join(self.metrics)}"
            )
        if not self.defined(metric, targets):
            raise LtpError(
                f"{metric} is undefined where all labels are the same, {targets[0]}: pass data "
                "whose labels differ"
            )
        if metric in self.binary_metrics and logits.shape[1] != 2:
            raise LtpError(f"{metric} is for two classes, and the model has {logits.shape[1]}")
        return f"{metric} %", 100 * self.metrics[metric](self.predictions(logits), targets)
