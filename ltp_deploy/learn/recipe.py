"""How thresholds are learned: every number of the method.

The stages and what they minimise are those of the LTP paper (arXiv 2107.00910, section 4.1) and its
released code. The defaults were chosen once, on four tasks; docs/learning.md has them beside the
published ones, and docs/results.md what they give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ltp_deploy.errors import LtpError

METHODS = ("ltp", "manual", "tuned", "topk", "dense")
SMALL = 10_000  # rows below which a data set counts as small (RTE, MRPC; not SST-2 of GLUE)
AIM = 2.2  # the FLOPs ratio that a budget of points starts from, on the training data


@dataclass(frozen=True)
class Recipe:
    """What one run of training does.

    Attributes:
        method: "ltp" learns thresholds; "manual" keeps the rising ones that it would start from;
            "tuned" keeps those that a search layer by layer finds for the weights as they are, as
            far as the aim; "topk" keeps a falling share of each sequence (SpAtten's cascade);
            "dense" none.
        final_threshold: where the last layer's threshold starts; the others rise linearly to it.
            None scales the published 0.01, which is for 128 tokens, to the data's mean length.
        temperature: of the soft mask's sigmoid; None scales 2e-3 in the same way.
        regularisation: lambda, the weight of the mask's mean in the loss: more of it prunes more.
            None means 0.1.
        keep_rate: the share of its tokens that a sequence still has after the last layer of
            "topk".
        finetune_epochs, soft_epochs, hard_epochs: passes over the data in each stage; 0 leaves a
            stage out. None means 1 for the soft and 2 for the hard one, in small data sets 2 and 3.
        learning_rate, hard_learning_rate: of the weights, in the soft and in the hard stage.
        threshold_learning_rate: None scales three times `learning_rate`, for 128 tokens, like the
            thresholds themselves.
        flops_ratio: how many times fewer FLOPs the result shall need, by the authors' count:
            lambda works until the soft mask saves so many, and the policy is scaled by one factor
            before and after the hard stage. None leaves that to lambda, or to `max_drop`.
        max_drop: a budget in points of the metric, in place of a FLOPs ratio: training aims at a
            ratio of `AIM`, then the policy is scaled to what the dev data allow, see `budget`.
            None sets no budget.
        distill: weight of the dense model's answers in the loss, 0 for labels alone.
        dropout, attention_dropout: of hidden states and of attention probabilities.
        batch: sequences in each step.
        max_length: in tokens; longer sequences are cut. None cuts nothing.
        seed: of everything random.
    """

    method: str = "ltp"
    final_threshold: float | None = None
    temperature: float | None = None
    regularisation: float | None = None
    keep_rate: float = 0.2
    finetune_epochs: float = 0.0
    soft_epochs: float | None = None
    hard_epochs: float | None = None
    learning_rate: float = 5e-5
    hard_learning_rate: float = 5e-5
    threshold_learning_rate: float | None = None
    flops_ratio: float | None = None
    max_drop: float | None = None
    distill: float = 0.9
    dropout: float = 0.1
    attention_dropout: float = 0.0
    batch: int = 32
    max_length: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise LtpError(f"unknown method {self.method!r}; known: {', '.join(METHODS)}")
        if not 0.0 <= self.distill <= 1.0:
            raise LtpError(f"the weight of distillation lies between 0 and 1, not {self.distill}")
        if self.flops_ratio is not None and self.flops_ratio < 1.0:
            raise LtpError(f"a FLOPs ratio is 1 or more, not {self.flops_ratio:g}")
        if self.flops_ratio is not None and self.max_drop is not None:
            raise LtpError("a FLOPs ratio and a budget of points exclude each other: give one")
        if self.method == "tuned" and self.aim is None:
            raise LtpError("the method tuned needs a FLOPs ratio or a budget of points to aim at")
        for name in ("temperature", "learning_rate", "hard_learning_rate", "batch"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise LtpError(f"{name} must be positive, not {value}")

    @property
    def aim(self) -> float | None:
        """The FLOPs ratio that the stages aim at; None leaves it to lambda."""
        return AIM if self.max_drop is not None else self.flops_ratio

    def for_data(self, rows: int, denominator: float) -> Recipe:
        """The recipe with everything that was left open filled in for a data set.

        Args:
            rows: examples in the data set.
            denominator: of the scores, D tokens; the mean length where that is each sequence's
                own. Scores average 1/D, and thresholds and temperature were published for 128, so
                they are scaled by 128 / D.
        """
        scale, small = 128 / denominator, rows < SMALL
        defaults: dict[str, Any] = {
            "final_threshold": 0.01 * scale,
            "temperature": 2e-3 * scale,
            "regularisation": 0.1,
            "soft_epochs": 2.0 if small else 1.0,
            "hard_epochs": 3.0 if small else 2.0,
            "threshold_learning_rate": 3 * self.learning_rate * scale,
        }
        known = {name: v for name, v in defaults.items() if getattr(self, name) is None}
        if self.method == "dense":
            known["hard_epochs"] = 0.0  # there is nothing to prune
        return replace(self, **known)
