"""How well scores rank the passages of queries: NDCG@10 and MRR@10, by the library `ir_measures`.

What is found are scores [N]. Targets are [N, 2] float: the relevance of a text to its query, and
the number of that query. Texts with the same number are ranked with each other.

- NDCG@10: the gain of a passage is its relevance, as in trec_eval, and not 2^relevance - 1. It is
  discounted by log2(rank + 1), and divided by what the best order has.
- MRR@10: 1 / the first rank that a passage with a relevance above 0 has; 0 below rank 10.

A relevance below 0 counts as 0. A query whose passages all count the same has no right order, and
so no value. Of passages with equal scores the least relevant one comes first: a model gains nothing
from passages that it does not tell apart, nor from the order of the data.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.metrics import Mean
from ltp_deploy.errors import LtpError, needs

if TYPE_CHECKING:
    from ir_measures import Evaluator

CUTOFF = 10
LARGEST = 1000  # trec_eval keeps a count for every relevance up to the largest one
_MEASURES = {"NDCG@10": "nDCG", "MRR@10": "RR"}  # by the names that ir_measures has


class _Queries:
    """The queries of some targets that have a value, and what judges their rankings.

    Attributes:
        rows: [M] integers, their passages among all texts, query by query.
        gains: [M] what each passage is worth.
        sizes: [queries] how many passages each query has.
    """

    def __init__(self, metric: str, targets: np.ndarray):
        gains = _gains(metric, targets[:, 0])
        _, query = np.unique(targets[:, 1], return_inverse=True)
        rows = np.argsort(query, kind="stable")
        sizes = np.bincount(query)
        starts = np.cumsum(sizes) - sizes
        least, most = (f.reduceat(gains[rows], starts) for f in (np.minimum, np.maximum))
        differ = least < most
        self.rows = rows[np.repeat(differ, sizes)]
        self.gains = gains[self.rows]
        self.sizes = sizes[differ]
        self._query = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self._names = np.array([str(row) for row in range(len(self.rows))], object)
        self._metric = metric

    @cached_property
    def _evaluator(self) -> Evaluator:
        with needs(f"{self._metric} needs the library ir_measures", "ranking"):
            import ir_measures
        judged: dict[str, dict[str, int]] = {str(query): {} for query in range(len(self.sizes))}
        for query, name, gain in zip(self._query, self._names, self.gains, strict=True):
            judged[str(query)][name] = int(gain)
        measure = getattr(ir_measures, _MEASURES[self._metric]) @ CUTOFF
        return ir_measures.evaluator([measure], judged)

    def values(self, found: np.ndarray) -> np.ndarray:
        """[queries] float64, of scores [N] for all texts."""
        order = np.lexsort((self.gains, -found[self.rows], self._query))
        ranked, run, start = self._names[order], {}, 0
        for query, size in enumerate(self.sizes.tolist()):
            top = ranked[start : start + min(size, CUTOFF)]
            run[str(query)] = {name: -float(rank) for rank, name in enumerate(top)}
            start += size
        values = np.zeros(len(self.sizes))
        for value in self._evaluator.iter_calc(run):
            values[int(value.query_id)] = value.value
        return values


def _are_grades(relevance: np.ndarray) -> np.ndarray:
    are: np.ndarray = (relevance % 1 == 0) & (relevance <= LARGEST)
    return are


def _gains(metric: str, relevance: np.ndarray) -> np.ndarray:
    if metric == "MRR@10":
        return relevance > 0
    wrong = relevance[~_are_grades(relevance)]
    if wrong.size:
        raise LtpError(
            f"{metric} takes labels that are whole numbers up to {LARGEST}, found {wrong[0]:g}: "
            "round them, or choose MRR@10"
        )
    return np.maximum(relevance, 0)


@lru_cache(maxsize=8)
def _made(metric: str, targets: bytes) -> _Queries:
    return _Queries(metric, np.frombuffer(targets).reshape(-1, 2))


def _queries(metric: str, targets: np.ndarray) -> _Queries:
    """Made once for targets [N, 2], which are judged with many scores."""
    return _made(metric, np.ascontiguousarray(targets, np.float64).tobytes())


def _each(metric: str, found: np.ndarray, targets: np.ndarray) -> np.ndarray:
    queries = _queries(metric, targets)
    if not len(queries.sizes):
        raise LtpError(
            f"{metric} is undefined: no query has passages of different relevance; give data with "
            "relevant passages and others for the same query"
        )
    return queries.values(found)


def _count(metric: str, targets: np.ndarray) -> int:
    if metric == "NDCG@10" and not _are_grades(targets[:, 0]).all():
        return 0
    return len(_queries(metric, targets).sizes)


def _metric(name: str) -> Mean:
    return Mean(partial(_each, name), partial(_count, name))


ndcg_10 = _metric("NDCG@10")
mrr_10 = _metric("MRR@10")
