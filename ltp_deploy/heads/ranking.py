"""How well a passage fits its query: the answers of a reranker, or cross-encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ltp_deploy.data.groups import query_numbers
from ltp_deploy.data.labels import Label
from ltp_deploy.data.metrics import Mean, correlation, spearman
from ltp_deploy.data.ranking_metrics import mrr_10, ndcg_10
from ltp_deploy.data.texts import Text
from ltp_deploy.heads.value import Value

if TYPE_CHECKING:
    from torch import Tensor

NDCG, MRR = "ndcg@10", "mrr@10"


class Ranking(Value):
    """The larger the logit, the better a passage fits its query; its sigmoid is the probability
    that the passage is relevant. Targets are [N, 2] float64: the relevance, and the number of the
    query."""

    name = "ranking"
    noun = "a ranking score"
    problem_type = ""
    judged_metrics = (NDCG, MRR)
    metrics = {NDCG: ndcg_10, MRR: mrr_10, "pearson": correlation, "spearman": spearman}  # noqa: RUF012

    def targets(self, labels: Sequence[Label], texts: Sequence[Text] = ()) -> np.ndarray:
        """[N, 2] float64. Without texts all are of one query."""
        relevance = super().targets(labels)
        query = query_numbers(texts) if texts else np.zeros(len(relevance))
        return np.stack([relevance, query], 1)

    def targets_of_answers(
        self, logits: np.ndarray, texts: Sequence[Text], metric: str | None = None
    ) -> np.ndarray:
        """[N, 2] float64. The passage that has a query's largest logit is relevant, the others are
        not, so that NDCG and MRR say at which rank others have it. For the correlations, and where
        no query has passages that the logits tell apart, the relevance is the logit."""
        values, query = logits[:, 0].astype(np.float64), query_numbers(texts)
        best = np.full(len(texts), -np.inf)
        np.maximum.at(best, query, values)
        is_best = values == best[query]
        if metric in (NDCG, MRR) or (metric is None and not is_best.all()):
            return np.stack([is_best, query], 1).astype(np.float64)
        return np.stack([values, query], 1)

    def units(self, targets: np.ndarray) -> np.ndarray:
        """[N] the numbers of the queries."""
        return targets[:, 1].astype(np.int64)

    def wanted(self, metric: str, targets: np.ndarray) -> np.ndarray:
        """The targets, or of correlations [N] the relevance alone."""
        return targets if isinstance(self.metrics[metric], Mean) else targets[:, 0]

    def judged(self, targets: np.ndarray) -> tuple[str, ...]:
        """NDCG, and MRR where it is defined as well. Pearson's correlation where no query has
        passages of different relevance, or relevance is no grade; MRR would call all passages
        relevant that a teacher gives any probability."""
        return super().judged(targets) if self.defined(NDCG, targets) else ("pearson",)

    def remark(self, metric: str, targets: np.ndarray) -> str:
        """Says why it is not NDCG that counts."""
        if metric in self.judged_metrics or self.defined(NDCG, targets):
            return ""
        query, gain = targets[:, 1], np.maximum(targets[:, 0], 0)
        order = np.lexsort((gain, query))
        differ = (np.diff(query[order]) == 0) & (np.diff(gain[order]) != 0)
        why = "no query has passages of different relevance"
        if differ.any():
            why = "labels are no whole numbers"
        return f"{NDCG} is undefined here, since {why}: what counts is {metric}"

    def values(self, logits: np.ndarray, texts: Sequence[Text]) -> tuple[np.ndarray, np.ndarray]:
        """The logits; order counts within each query. Where less than half of the texts share their
        query with another one it counts among all: there are no rankings."""
        query = query_numbers(texts)
        shared = np.bincount(query)[query] > 1
        return logits[:, 0], query if 2 * shared.sum() >= len(query) else np.zeros_like(query)

    def untrainable(self, targets: np.ndarray) -> str:
        """A label that is no probability; the loss would drive its logit towards infinity."""
        wrong = np.flatnonzero((targets[:, 0] < 0) | (targets[:, 0] > 1))
        if not wrong.size:
            return ""
        row = int(wrong[0])
        return (
            f"row {row + 1} of the training data has the label {targets[row, 0]:g}, and a reranker "
            "is trained on labels from 0 to 1: scale them to that. Where the output is a value, "
            'such as the similarity of STS-B, write "problem_type": "regression" into config.json, '
            "or for a new head pass --head regression"
        )

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean binary cross-entropy of logits [B, 1] against the relevance in targets [B, 2],
        which is 0, 1, or a teacher's probability between them."""
        from torch.nn import functional

        relevance = targets[:, 0].to(logits.dtype)
        return functional.binary_cross_entropy_with_logits(logits[:, 0], relevance)
