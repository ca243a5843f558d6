"""The encoder in training: padded, differentiable, with the mask of the stage.

Where a mask prunes tokens, compaction takes them out of the batch, so that training saves their
work too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltp_deploy.heads import head_of
from ltp_deploy.learn.masks import Mask
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.model.oracle import attend, attention_probabilities, padded_position_ids
from ltp_deploy.tune.forward import compacted


@dataclass(frozen=True)
class Objective:
    """What the loss counts besides the labels.

    Attributes:
        regularisation: lambda, which multiplies the mask's mean over real tokens, summed over
            layers.
        flops_ratio: a batch whose mask makes it this many times cheaper than the dense model adds
            no such cost; None where every batch does.
        distill: 0 to 1, the weight of the teacher's answers; the labels have the rest.
    """

    regularisation: float = 0.0
    flops_ratio: float | None = None
    distill: float = 0.0


@dataclass(frozen=True)
class Dropout:
    """Dropout probabilities in training, of hidden states and of attention probabilities."""

    hidden: float = 0.0
    attention: float = 0.0


class Learner(nn.Module):
    """An encoder with a mask, in the form that transformers' `Trainer` takes models.

    Attributes:
        encoder: holds the weights; its own policy is not used.
        mask: what prunes or weakens tokens, see `masks`.
    """

    def __init__(
        self,
        encoder: Encoder,
        mask: Mask,
        objective: Objective | None = None,
        dropout: Dropout | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.mask = mask
        self.objective = objective or Objective()
        self.dropout = dropout or Dropout()
        self.head = head_of(encoder.config)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        labels: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Run B padded sequences of up to n tokens through the L layers.

        Args:
            input_ids, token_type_ids, attention_mask: [B, n] integers, real tokens first.
            labels: the targets of the head's loss, see `Head.loss`.
            teacher: [B, labels] logits of the dense model.

        Returns:
            logits: [B, num_labels] float32.
            kept: [B, L], the sum of the mask over each sequence's real tokens after each layer;
                with a hard mask that is the number of tokens kept.
            loss: a scalar, only where labels are given.
        """
        real = attention_mask.bool()
        logits, kept = self.run(input_ids, real, token_type_ids)
        output = {"logits": logits, "kept": kept}
        if labels is not None:
            loss, cost = self._answer_loss(logits, labels, teacher), self.objective.regularisation
            if self.training and cost and not self._saves_enough(kept, real):
                loss = loss + cost * kept.sum() / real.sum()
            output["loss"] = loss
        return output

    def run(self, input_ids: Tensor, real: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, labels] and kept [B, L], as in `forward`.

        Args:
            input_ids, types: [B, n] integers.
            real: [B, n] bool, false for padding.
        """
        encoder = self.encoder
        positions = padded_position_ids(encoder, input_ids, real)
        x = self._drop(encoder.embed(input_ids, positions, types))
        lengths, alive = real.sum(1), real
        share = real.to(x.dtype)  # of each token that is left in the mean over all
        left, kept = encoder.nothing_left(x), []
        for i, layer in enumerate(encoder.layers):
            assert isinstance(layer, Layer)
            probability = attention_probabilities(layer, x, alive)
            score = probability.sum((1, 2), dtype=torch.float32)  # also in mixed precision
            dropped = functional.dropout(probability, self.dropout.attention, self.training)
            context = attend(layer, dropped, x)
            alive, weight = self.mask(i, layer, score, alive, lengths)
            remains = share * (alive if weight is None else weight).to(x.dtype)
            if left is not None:
                left = left + (x * (share - remains)[..., None]).sum(1)
            if weight is None:
                kept.append(alive.sum(1))
                alive, context, x, remains = compacted(alive, context, x, remains)
                x = self._finish(layer, context, x)
            else:
                kept.append(weight.sum(1))
                x = self._finish(layer, context, x)
                x = x * weight[..., None].to(x.dtype)
            share = remains
        pooled = encoder.pool(x, share, left, lengths)
        return encoder.answer(self._drop(pooled)), torch.stack(kept, 1)

    def _finish(self, layer: Layer, context: Tensor, x: Tensor) -> Tensor:
        """`Layer.finish`, with dropout where BERT has it."""
        x = layer.attention_norm(self._drop(layer.attention_output(context)) + x)
        wide = layer.activation(layer.intermediate(x))
        finished: Tensor = layer.output_norm(self._drop(layer.output(wide)) + x)
        return finished

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout.hidden, self.training)

    def _answer_loss(self, logits: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        """How far the answers are from the labels, and from the teacher's by its weight."""
        loss, weight = self.head.loss(logits, labels), self.objective.distill
        if teacher is None or not weight:
            return loss
        return (1 - weight) * loss + weight * self.head.distillation(logits, teacher)

    def _saves_enough(self, kept: Tensor, real: Tensor) -> bool:
        wanted = self.objective.flops_ratio
        if wanted is None:
            return False
        alive = torch.cat([real.sum(1, keepdim=True), kept.detach()], 1)
        return authors_ratio(self.encoder.config, alive.cpu().numpy()) >= wanted


def parameter_groups(
    model: Learner, learning_rate: float, thresholds: float, decay: float
) -> list[dict[str, Any]]:
    """The model's parameters in groups, as a PyTorch optimizer takes them.

    Weight decay is for weight matrices alone: biases, norms and thresholds have none, as
    published.

    Args:
        learning_rate: of all weights.
        thresholds: the learning rate of the thresholds.
        decay: the weight decay of weight matrices.
    """
    groups: list[dict[str, Any]] = [
        {"params": [], "lr": learning_rate, "weight_decay": decay},
        {"params": [], "lr": learning_rate, "weight_decay": 0.0},
        {"params": [], "lr": thresholds, "weight_decay": 0.0},
    ]
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        plain = parameter.dim() < 2 or "norm" in name
        groups[2 if name.endswith("thresholds") else int(plain)]["params"].append(parameter)
    return [group for group in groups if group["params"]]
