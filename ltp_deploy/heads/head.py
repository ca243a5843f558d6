"""The protocol of a head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ltp_deploy.data.labels import Label
from ltp_deploy.data.metrics import CORRELATIONS, Mean
from ltp_deploy.data.texts import Text
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
        metrics: by name, (predictions, targets) -> 0..1 or -1..1, as `predictions` and `wanted`
            give them.
        judged_metrics: those that count where none is named, see `judged`.
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
    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> np.ndarray:
        """Numbers for the labels of a data set, of the shape of `predictions`, but for `Ranking`.

        What labels mean is decided for all of them together.

        Args:
            texts: whose labels they are, of which `Ranking` reads the queries.

        Raises:
            LtpError: a label that the model cannot give, with its row.
        """

    @abstractmethod
    def changed(self, reference: np.ndarray, logits: np.ndarray) -> np.ndarray | None:
        """[N] bool, where two models' answers differ in kind; None where answers are values, which
        always differ a little."""

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """What training minimises, a scalar: logits [B, outputs], and targets of B texts as
        `targets` gives them."""

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

    def targets_of_answers(
        self, logits: np.ndarray, texts: Sequence[Text], metric: str | None = None
    ) -> np.ndarray:
        """A model's answers to texts as targets, by which the answers of others are judged.

        Args:
            metric: what will judge them, if that is known; `Ranking` asks for it.
        """
        return np.asarray(self.predictions(logits))

    def units(self, targets: np.ndarray) -> np.ndarray:
        """[N] int64, the same for texts that are judged together."""
        return np.arange(len(targets))

    def wanted(self, metric: str, targets: np.ndarray) -> np.ndarray:
        """What a metric compares the predictions with."""
        return targets

    def values(self, logits: np.ndarray, texts: Sequence[Text]) -> tuple[np.ndarray, np.ndarray]:
        """The numbers [M] by which two models' values are compared, and for each the number of the
        group within which their order counts."""
        return self.predictions(logits), np.zeros(len(logits), np.int64)

    def untrainable(self, targets: np.ndarray) -> str:
        """Which target answers can be judged by, but not trained on, with its row and what to do;
        "" where there is none."""
        return ""

    def flips(self, reference: np.ndarray, logits: np.ndarray) -> int | None:
        """How many sequences change their answer; None where answers are values."""
        changed = self.changed(reference, logits)
        return None if changed is None else int(changed.sum())

    def scores(
        self, logits: np.ndarray, targets: np.ndarray, metric: str | None = None
    ) -> dict[str, float]:
        """What a verification judges, see `score`: the metric that is named, or all of `judged`.

        Raises:
            LtpError: see `score`; or none is defined.
        """
        names = [metric] if metric else self.judged(targets)
        return dict(self.score(logits, targets, name) for name in names)

    def defined(self, metric: str, targets: np.ndarray) -> bool:
        """Whether these targets have such a score."""
        function, wanted = self.metrics[metric], self.wanted(metric, targets)
        if isinstance(function, Mean):
            return function.count(wanted) > 0
        return function not in CORRELATIONS or bool(np.ptp(wanted))

    def judged(self, targets: np.ndarray) -> tuple[str, ...]:
        """The metrics that count for these targets where none is named: those of `judged_metrics`
        that are defined, or where that is none, all."""
        defined = tuple(name for name in self.judged_metrics if self.defined(name, targets))
        return defined or self.judged_metrics

    def usual_metric(self, targets: np.ndarray) -> str:
        """The metric that scores answers where none is named: the first of `judged`. A part of the
        targets may have another one, so it is asked for once, for all."""
        return self.judged(targets)[0]

    def remark(self, metric: str, targets: np.ndarray) -> str:
        """What readers of a score by this metric must know of it; "" where that is nothing."""
        return ""

    def score(
        self, logits: np.ndarray, targets: np.ndarray, metric: str | None = None
    ) -> tuple[str, float]:
        """(metric with its unit, value in percent).

        Args:
            metric: a name in `metrics`, None for the usual one.

        Raises:
            LtpError: the metric is for another kind of answer, or undefined for these targets.
        """
        metric = metric or self.usual_metric(targets)
        if metric not in self.metrics:
            raise LtpError(
                f"{metric} is no metric for {self.noun}; there are {', '.join(self.metrics)}"
            )
        function, wanted = self.metrics[metric], self.wanted(metric, targets)
        if function in CORRELATIONS and not self.defined(metric, targets):
            raise LtpError(
                f"{metric} is undefined where all labels are the same, {wanted[0]}: pass data "
                "whose labels differ"
            )
        if metric in self.binary_metrics and logits.shape[1] != 2:
            raise LtpError(f"{metric} is for two classes, and the model has {logits.shape[1]}")
        return f"{metric} %", 100 * function(self.predictions(logits), wanted)
