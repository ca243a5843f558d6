"""One value for each text, or pair of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ltp_deploy.data.metrics import correlation, spearman
from ltp_deploy.heads.value import Value

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Value):
    """The value is as near to the label as it can be."""

    name = "regression"
    noun = "a regression"
    problem_type = "regression"
    judged_metrics = ("pearson",)
    metrics = {"pearson": correlation, "spearman": spearman}  # noqa: RUF012

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error of outputs [B, 1] against targets [B]."""
        from torch.nn import functional

        return functional.mse_loss(logits[:, 0], targets.to(logits.dtype))
