"""What a layer does to its tokens in each stage of training."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from ltp_deploy.model.encoder import Layer
from ltp_deploy.model.oracle import decide
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy


class Mask(Protocol):
    """How one stage of training treats the tokens of B padded sequences of up to n tokens."""

    def __call__(
        self, index: int, layer: Layer, score: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Decide what becomes of each token after the attention of one layer.

        Args:
            index: the layer's number, from 0.
            layer: the layer itself.
            score: [B, n] float32, the attention each token gets, summed over heads and over the
                queries that were kept so far.
            alive: [B, n] bool, tokens that entered the layer, that is, real ones not pruned yet.
            lengths: [B] integers, real tokens of each sequence before any pruning.

        Returns:
            [B, n] bool, the tokens that enter the next layer; and [B, n] float32, what the
            layer's output is multiplied by, or None where the output stays as it is.
        """


class Dense:
    """Keeps every token as it is."""

    def __call__(
        self, index: int, layer: Layer, score: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, None]:
        return alive, None


class Soft(nn.Module):
    """Multiplies each layer's output by sigmoid((score - theta) / T), and drops no token.

    This is differentiable, so that the thresholds theta can be learned. The first layer's output
    is not touched: its threshold stays 0, as in the released code.

    Attributes:
        thresholds: [L] float32, the learned theta, for scores averaged over heads and over the
            score denominator D (see `PrunePolicy.score_length`).
        temperature: T in the unit of the scores; the smaller, the closer to hard pruning.
    """

    def __init__(self, policy: PrunePolicy, temperature: float):
        super().__init__()
        self.policy = policy
        self.temperature = temperature
        start = torch.tensor([rule.threshold for rule in policy.layers])
        self.thresholds = nn.Parameter(start)

    def __call__(
        self, index: int, layer: Layer, score: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        if index == 0:
            return alive, alive.to(score.dtype)
        length = self.policy.score_length or lengths[:, None]
        mean = score / (layer.heads * length)
        weight = torch.sigmoid((mean - self.thresholds[index]) / self.temperature) * alive
        if self.policy.keep_first:
            weight = torch.cat([torch.ones_like(weight[:, :1]), weight[:, 1:]], 1)
        return alive, weight

    def binarised(self) -> PrunePolicy:
        """The learned thresholds as a policy that prunes; one of 0 or below prunes nothing."""
        values = self.thresholds.detach().tolist()
        rules = [LayerRule(Mode.NONE)]
        rules += [
            LayerRule(Mode.ABSOLUTE, v) if v > 0 else LayerRule(Mode.NONE) for v in values[1:]
        ]
        return PrunePolicy(tuple(rules), self.policy.score_length, self.policy.keep_first)


class Hard:
    """Prunes as inference does: a token that falls below its layer's rule is gone."""

    def __init__(self, policy: PrunePolicy):
        self.policy = policy

    def __call__(
        self, index: int, layer: Layer, score: Tensor, alive: Tensor, lengths: Tensor
    ) -> tuple[Tensor, None]:
        rule = self.policy.layers[index]
        with torch.no_grad():
            keep, _ = decide(rule, self.policy, layer.heads, score, alive, lengths)
        return keep, None
