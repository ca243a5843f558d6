"""How well answers meet labels: the metrics of GLUE, in percent."""

from __future__ import annotations

import numpy as np

from ltp_deploy.errors import LtpError
from ltp_deploy.parity.compare import predictions

# What the benchmark reports for its tasks; accuracy for those that are not here.
GLUE = {"cola": "matthews", "mrpc": "f1", "qqp": "f1", "stsb": "pearson"}


def score(logits: np.ndarray, labels: np.ndarray, metric: str | None = None) -> tuple[str, float]:
    """(metric with its unit, value).

    Args:
        logits: [N, labels], or [N, 1] of a regression. labels: [N].
        metric: None for accuracy, or for the Pearson correlation of a regression.

    Raises:
        LtpError: the metric is for another kind of task.
    """
    regression = logits.shape[1] == 1
    metric = metric or ("pearson" if regression else "accuracy")
    if regression != (metric in ("pearson", "spearman")):
        kind = "a regression" if regression else "classes"
        raise LtpError(f"{metric} is no metric for {kind}")
    if metric in ("f1", "matthews") and not np.isin(labels, (0, 1)).all():
        raise LtpError(f"{metric} is for two classes, and the labels have {len(set(labels))}")
    found = logits[:, 0] if regression else predictions(logits)
    return f"{metric} %", 100 * _METRICS[metric](found, labels)


def accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    return float((found == labels).mean())


def f1(found: np.ndarray, labels: np.ndarray) -> float:
    """Of class 1: harmonic mean of precision and recall, 0 where nothing is found right."""
    both = np.sum((found == 1) & (labels == 1))
    return float(2 * both / max(1, np.sum(found == 1) + np.sum(labels == 1)))


def correlation(found: np.ndarray, labels: np.ndarray) -> float:
    """Pearson's; of two classes that is Matthews' too. 0 where one side is constant."""
    if np.ptp(found) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(np.corrcoef(found, labels)[0, 1])


def spearman(found: np.ndarray, labels: np.ndarray) -> float:
    """Pearson's correlation of ranks, ties sharing their mean rank."""
    return correlation(_ranks(found), _ranks(labels))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which]


_METRICS = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": correlation,
    "pearson": correlation,
    "spearman": spearman,
}
