"""What a layer does to its tokens in each stage of training."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ltp_deploy.model.encoder import Layer
from ltp_deploy.model.oracle import decide
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy


class Mask(Protocol):
    """One stage's treatment of tokens."""

    def __call__(
        self, index: int, layer: Layer, score: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Behind layer `index`.

        Args:
            score: [B, n], summed over heads and alive queries.
            alive: [B, n] bool, tokens that entered the layer. lengths: [B] tokens.

        Returns:
            alive [B, n] bool for the next layer, and what multiplies the layer's output [B, n],
            None where nothing does.
        """


class Dense:
    """No pruning."""

    def __call__(self, index, layer, score, alive, lengths):
        return alive, None


class Soft(nn.Module):
    """sigmoid((score - theta) / T) multiplies the output of every layer but the first, whose
    threshold stays 0 as in the released code; no token is ever dropped.

    Attributes:
        thresholds: [L] the learned theta, of scores averaged over heads and D queries.
    """

    def __init__(self, policy: PrunePolicy, temperature: float):
        super().__init__()
        self.policy = policy
        self.temperature = temperature
        start = torch.tensor([rule.threshold for rule in policy.layers])
        self.thresholds = nn.Parameter(start)

    def __call__(self, index, layer, score, alive, lengths):
        if index == 0:
            return alive, alive.to(score.dtype)
        length = self.policy.score_length or lengths[:, None]
        mean = score / (layer.heads * length)
        weight = torch.sigmoid((mean - self.thresholds[index]) / self.temperature) * alive
        if self.policy.keep_first:
            weight = torch.cat([torch.ones_like(weight[:, :1]), weight[:, 1:]], 1)
        return alive, weight

    def binarised(self) -> PrunePolicy:
        """The thresholds as a policy; one that fell to 0 or below prunes nothing."""
        values = self.thresholds.detach().tolist()
        rules = [LayerRule(Mode.NONE)]
        rules += [
            LayerRule(Mode.ABSOLUTE, v) if v > 0 else LayerRule(Mode.NONE) for v in values[1:]
        ]
        return PrunePolicy(tuple(rules), self.policy.score_length, self.policy.keep_first)


class Hard:
    """What runs at inference: who falls below the rule is gone."""

    def __init__(self, policy: PrunePolicy):
        self.policy = policy

    def __call__(self, index, layer, score, alive, lengths):
        rule = self.policy.layers[index]
        with torch.no_grad():
            keep, _ = decide(rule, self.policy, layer.heads, score, alive, lengths)
        return keep, None
