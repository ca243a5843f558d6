"""How well answers meet labels: the metrics of GLUE, and those of sets of labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# The metric that GLUE reports for a task; accuracy for those that are not here.
GLUE = {"cola": "matthews", "mrpc": "f1", "qqp": "f1", "stsb": "pearson"}


@dataclass(frozen=True)
class Mean:
    """A metric that is the mean of one value for each unit: texts that are judged together, such
    as a query's passages. It is called as other metrics are.

    Attributes:
        each: (found, targets) -> [units] float64 from 0 to 1, the value of each unit. Which units
            there are, and in which order, depends on the targets alone.
        count: targets -> how many units there are; the metric is undefined where that is 0.
    """

    each: Callable[[np.ndarray, np.ndarray], np.ndarray]
    count: Callable[[np.ndarray], int]

    def __call__(self, found: np.ndarray, targets: np.ndarray) -> float:
        return float(self.each(found, targets).mean())


def accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    """The share of classes found right; both [N]."""
    return float((found == labels).mean())


def f1(found: np.ndarray, labels: np.ndarray) -> float:
    """Of class 1: harmonic mean of precision and recall, 0 where nothing is found right."""
    both = np.sum((found == 1) & (labels == 1))
    return float(2 * both / max(1, np.sum(found == 1) + np.sum(labels == 1)))


def micro_f1(found: np.ndarray, labels: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN), counted over all labels of all texts; both [N, outputs] bool. 0
    where no label is found and none is given."""
    return float(2 * np.sum(found & labels) / max(1, found.sum() + labels.sum()))


def macro_f1(found: np.ndarray, labels: np.ndarray) -> float:
    """The mean of each label's own F1; both [N, outputs] bool. A label that is never found and
    never given counts as 0, as in scikit-learn."""
    both = np.sum(found & labels, 0)
    return float((2 * both / np.maximum(1, found.sum(0) + labels.sum(0))).mean())


def subset_accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    """The share of texts with exactly the right set of labels; both [N, outputs] bool."""
    return float((found == labels).all(1).mean())


def correlation(found: np.ndarray, labels: np.ndarray) -> float:
    """Pearson's; of two classes that is Matthews' too. 0 where one of them is constant."""
    if np.ptp(found) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(np.corrcoef(found, labels)[0, 1])


def spearman(found: np.ndarray, labels: np.ndarray) -> float:
    """Pearson's correlation of ranks, ties sharing their mean rank."""
    return correlation(_ranks(found), _ranks(labels))


def cosines(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """[N] the cosine of each vector with another; both [N, d]. 0 where one of them is 0."""
    found, wanted = (vectors.astype(np.float64) for vectors in (found, wanted))
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    return (found * wanted).sum(1) / np.maximum(lengths, 1e-12)


cosine = Mean(cosines, len)
CORRELATIONS = (correlation, spearman)  # undefined where all labels are the same


def _ranks(values: np.ndarray) -> np.ndarray:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]
