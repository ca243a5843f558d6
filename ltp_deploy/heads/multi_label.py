"""Any number of labels for each text, each decided on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from ltp_deploy.data.columns import find_column
from ltp_deploy.data.labels import ClassName, Label, as_number
from ltp_deploy.data.metrics import macro_f1, micro_f1, subset_accuracy
from ltp_deploy.data.texts import Text
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.head import Head, sigmoid
from ltp_deploy.heads.naming import Find, all_known, by_name, by_number, numbered
from ltp_deploy.heads.prediction import Prediction
from ltp_deploy.model.config import EncoderConfig

if TYPE_CHECKING:
    from torch import Tensor

_List = Sequence[str | float]
_WANTED = (
    "names or numbers of labels in a list, or a list with 0 or 1 for each output of the model, or "
    "columns of 0 and 1 that --label-column lists"
)
HALF = 0.5


class MultiLabel(Head):
    """A text has the labels whose probability is above their threshold, a half where the model
    states none."""

    name = "multi_label"
    noun = "sets of labels"
    problem_type = "multi_label_classification"
    judged_metrics = ("f1-micro", "f1-macro")
    metrics = {"f1-micro": micro_f1, "f1-macro": macro_f1, "accuracy": subset_accuracy}  # noqa: RUF012

    @classmethod
    def outputs_for(cls, labels: Sequence[Label]) -> int:
        """One for each label: as many as there are columns, or entries of lists of 0 and 1; else
        labels are numbered from 0, and each occurs."""
        if isinstance(labels[0], Mapping):
            return len(labels[0])
        rows = [_listed(row, label) for row, label in enumerate(labels, 1)]
        parts = [part for row in rows for part in row]
        flags = len({len(row) for row in rows}) == 1 and set(map(as_number, parts)) <= {0, 1}
        distinct = all(len(set(map(as_number, row))) == len(row) for row in rows)
        if flags and distinct and parts:
            raise LtpError(f"lists such as {rows[0]} may hold 0 or 1 for each label, or numbers")
        return len(rows[0]) if flags and parts else numbered(parts, 1)

    def activation(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities: the sigmoid of each logit."""
        return sigmoid(logits)

    def read(self, logits: np.ndarray) -> list[Prediction]:
        """The labels that each text has, and their probabilities."""
        names, rows = self.names(), self.activation(logits)
        found = []
        for has, row in zip(self.predictions(logits), rows, strict=True):
            chosen = np.flatnonzero(has)
            found.append(Prediction([names[i] for i in chosen], row[chosen].tolist(), row))
        return found

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """[N, outputs] bool, which labels each text has. Logits are compared, in float64, so that
        no probability's rounding decides."""
        thresholds = np.array(self.config.label_thresholds or HALF)
        found: np.ndarray = logits > np.log(thresholds / (1 - thresholds))
        return found

    @property
    def thresholds(self) -> tuple[float, ...]:
        """For each output the probability above which its label holds."""
        return self.config.label_thresholds or (HALF,) * self.config.num_labels

    def labels(self, logits: np.ndarray) -> list[list[str]] | None:
        if not self.config.labels:
            return None
        return [
            [name for name, has in zip(self.config.labels, row, strict=True) if has]
            for row in self.predictions(logits)
        ]

    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> np.ndarray:
        """[N, outputs] bool, which labels each text has.

        Lists hold names where every entry is a name that the model gives a label, else numbers of
        outputs; or each list holds 0 or 1 for every output.

        Raises:
            LtpError: other labels, or lists that may be read in both ways.
        """
        config = self.config
        columns = [label for label in labels if isinstance(label, Mapping)]
        if columns and len(columns) == len(labels):
            return _from_columns(columns, config)
        if config.num_labels == 1:  # a text has the one label or not, which needs no list
            single = [label for label in labels if isinstance(label, (str, Real))]
            numbers = [as_number(label) for label in single]
            named = config.labels and any(isinstance(label, ClassName) for label in single)
            if len(single) == len(labels) and set(numbers) <= {0, 1} and not named:
                return np.array(numbers, float).reshape(-1, 1) == 1
            labels = [[label] if isinstance(label, (str, Real)) else label for label in labels]
        rows = [_listed(row, label) for row, label in enumerate(labels, 1)]
        chosen = _chosen(rows, by_name(config), config)
        if chosen is None:
            chosen = _chosen(rows, by_number(config), config)
        flags = _flags(rows, config)
        if chosen is not None and flags is not None and (chosen != flags).any():
            row = int((chosen != flags).any(1).argmax())
            raise LtpError(
                f"row {row + 1} has the labels {rows[row]}: names or numbers of labels, or 0 or 1 "
                "for each? use names, or a column for each label"
            )
        found = flags if chosen is None else chosen
        return _refuse(rows, config) if found is None else found

    def changed(self, reference: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """[N] bool, where at least one label is added or lost."""
        return (self.predictions(reference) != self.predictions(logits)).any(1)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean binary cross-entropy of logits and targets, both [B, outputs]."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))

    def distillation(self, logits: Tensor, teacher: Tensor) -> Tensor:
        """The mean binary cross-entropy against the teacher's probabilities."""
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(logits, teacher.sigmoid())


def best_thresholds(logits: np.ndarray, targets: np.ndarray) -> tuple[float, ...]:
    """For each label the probability above which it should hold, by the F1 of the label alone.

    A threshold lies halfway between the probabilities of two texts, or is a half where that does as
    well. Of several that are best it is the one nearest to a half. A label that no text has keeps a
    half. They fit the given texts: judge them on others.

    Args:
        logits: [N, outputs] what a model answers.
        targets: [N, outputs] bool, which labels each text has, as `MultiLabel.targets` gives them.
    """
    return tuple(_best(*label) for label in zip(logits.T, targets.T, strict=True))


def _best(logits: np.ndarray, given: np.ndarray) -> float:
    """The threshold of one label, of logits [N] and bool [N]."""
    if not given.any():
        return HALF
    values, place = np.unique(logits.astype(np.float64), return_inverse=True)
    # The i-th threshold lies below the i-th value and above the one before.
    found = np.bincount(place)[::-1].cumsum()[::-1]
    right = np.bincount(place, given)[::-1].cumsum()[::-1]
    scores = 2 * right / (found + given.sum())
    chances = np.exp(-np.logaddexp(0, -values))
    middles = (chances + np.concatenate(([0], chances[:-1]))) / 2
    parted_at_half = (values > 0) & (np.concatenate(([-np.inf], values[:-1])) <= 0)
    middles[parted_at_half] = HALF
    best = middles[scores == scores.max()]
    nearest = best[np.abs(best - HALF).argmin()]
    return float(np.clip(nearest, np.finfo(float).tiny, np.nextafter(1, 0)))


def _listed(row: int, label: Label) -> _List:
    if isinstance(label, (str, Real, Mapping)):
        raise LtpError(f"row {row} has the label {label!r}, the model gives sets: use {_WANTED}")
    assert not isinstance(label, float)  # a Real
    return label


def _chosen(rows: Sequence[_List], find: Find, config: EncoderConfig) -> np.ndarray | None:
    """[N, outputs] bool of lists that name or number labels; None where an entry is none of them,
    or stands twice in a list."""
    found = np.zeros((len(rows), config.num_labels), bool)
    for i, row in enumerate(rows):
        places = all_known([find(part) for part in row])
        if places is None or len(set(places)) < len(places):
            return None
        found[i, places] = True
    return found


def _flags(rows: Sequence[_List], config: EncoderConfig) -> np.ndarray | None:
    """[N, outputs] bool of lists with 0 or 1 for each output; None where they are others."""
    if config.labels and any(isinstance(part, ClassName) for row in rows for part in row):
        return None
    numbers = [[as_number(part) for part in row] for row in rows]
    if any(len(row) != config.num_labels or not set(row) <= {0, 1} for row in numbers):
        return None
    return np.array(numbers, float).reshape(-1, config.num_labels) == 1


def _from_columns(labels: Sequence[Mapping[str, bool]], config: EncoderConfig) -> np.ndarray:
    """[N, outputs] bool. Columns are found by the labels' names; for a model that knows no names
    they stand in the order of its outputs."""
    columns = list(labels[0])
    order = [find_column(name, columns) for name in config.labels] or list(columns)
    if None in order or set(order) != set(columns) or len(order) != config.num_labels:
        known = list(config.labels) or f"{config.num_labels} labels without names"
        raise LtpError(f"the label columns are {columns}, the model knows {known}")
    return np.array([[label[name] for name in order if name] for label in labels], bool)


def _refuse(rows: Sequence[_List], config: EncoderConfig) -> NoReturn:
    known = list(config.labels) or f"0..{config.num_labels - 1}"
    ways = by_name(config), by_number(config)
    for i, row in enumerate(rows, 1):
        if _flags([row], config) is None and all(_chosen([row], w, config) is None for w in ways):
            raise LtpError(
                f"row {i} has the labels {list(row)!r:.200}, the model knows {known}; use {_WANTED}"
            )
    raise LtpError(f"the lists of labels are of several kinds; use one of them: {_WANTED}")
