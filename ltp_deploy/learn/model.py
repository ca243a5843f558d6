"""The encoder in training: padded, differentiable, with the mask of the stage.

Where a mask drops tokens, they leave the batch, so that training saves their work too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltp_deploy.learn.masks import Mask
from ltp_deploy.model.encoder import Encoder, Layer
from ltp_deploy.model.flops import authors_ratio
from ltp_deploy.model.oracle import attend, attention_probabilities, padded_position_ids


class Learner(nn.Module):
    """An encoder with a mask, as transformers' `Trainer` takes models.

    Attributes:
        regularisation: lambda, what the mean of the soft mask costs.
        flops_ratio: once a batch's mask saves so many FLOPs it costs nothing more; None for never.
        distill: weight of the teacher's answers in the loss.
        dropout, attention_dropout: of hidden states and of attention probabilities, in training.
    """

    def __init__(
        self,
        encoder: Encoder,
        mask: Mask,
        regularisation: float = 0.0,
        flops_ratio: float | None = None,
        distill: float = 0.0,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
    ):
        super().__init__()
        self.encoder = encoder
        self.mask = mask
        self.regularisation = regularisation
        self.flops_ratio = flops_ratio
        self.distill = distill
        self.dropout = dropout
        self.attention_dropout = attention_dropout

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor,
        labels: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Run a padded batch.

        Args:
            input_ids, token_type_ids, attention_mask: [B, n] integers, real tokens first.
            labels: [B] classes, or float targets of a regression.
            teacher: [B, labels] logits of the dense model.

        Returns:
            logits [B, labels]; kept [B, L], the sum of the mask over each sequence's real tokens
            behind each layer, which is its survivors where the mask is hard; with labels also
            loss.
        """
        real = attention_mask.bool()
        logits, kept = self.run(input_ids, real, token_type_ids)
        output = {"logits": logits, "kept": kept}
        if labels is not None:
            loss = self._task_loss(logits, labels, teacher)
            if self.training and self.regularisation and not self._saves_enough(kept, real):
                loss = loss + self.regularisation * kept.sum() / real.sum()
            output["loss"] = loss
        return output

    def _saves_enough(self, kept: Tensor, real: Tensor) -> bool:
        if self.flops_ratio is None:
            return False
        alive = torch.cat([real.sum(1, keepdim=True), kept.detach()], 1)
        return authors_ratio(self.encoder.config, alive.cpu().numpy()) >= self.flops_ratio

    def run(self, input_ids: Tensor, real: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        encoder = self.encoder
        positions = padded_position_ids(encoder, input_ids, real)
        x = self._drop(encoder.embed(input_ids, positions, types))
        lengths, alive = real.sum(1), real
        kept = []
        for i, layer in enumerate(encoder.layers):
            assert isinstance(layer, Layer)
            probability = attention_probabilities(layer, x, alive)
            score = probability.sum((1, 2), dtype=torch.float32)  # also in mixed precision
            dropped = functional.dropout(probability, self.attention_dropout, self.training)
            context = attend(layer, dropped, x)
            alive, weight = self.mask(i, layer, score, alive, lengths)
            if weight is None:
                kept.append(alive.sum(1))
                alive, context, x = without_dead(alive, context, x)
                x = self._finish(layer, context, x)
            else:
                kept.append(weight.sum(1))
                x = self._finish(layer, context, x)
                x = x * weight[..., None].to(x.dtype)
        return encoder.classify(self._drop(x[:, 0])), torch.stack(kept, 1)

    def _finish(self, layer: Layer, context: Tensor, x: Tensor) -> Tensor:
        """`Layer.finish`, with dropout where BERT has it."""
        x = layer.attention_norm(self._drop(layer.attention_output(context)) + x)
        wide = layer.activation(layer.intermediate(x))
        return layer.output_norm(self._drop(layer.output(wide)) + x)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)

    def _task_loss(self, logits: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        loss = task_loss(logits, labels)
        if teacher is None or not self.distill:
            return loss
        return (1 - self.distill) * loss + self.distill * distillation_loss(logits, teacher)


def without_dead(alive: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
    """Survivors moved to the left in their order, and the columns behind the longest row gone.

    The first token stays, dead or alive, since the head reads it.

    Args:
        alive: [B, n] bool. states: each [B, n, d].

    Returns:
        alive [B, m] and the states [B, m, d].
    """
    present = alive.clone()
    present[:, 0] = True
    longest = int(present.sum(1).max())
    if longest == alive.shape[1]:
        return alive, *states
    order = torch.argsort(present, dim=1, descending=True, stable=True)[:, :longest]
    rows = torch.arange(len(alive), device=alive.device)[:, None]
    return alive[rows, order], *(state[rows, order] for state in states)


def task_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of classes, squared error of a regression."""
    if logits.shape[1] == 1:
        return functional.mse_loss(logits[:, 0], labels.to(logits.dtype))
    return functional.cross_entropy(logits, labels.long())


def distillation_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Divergence from the teacher's distribution; of a regression, from its value."""
    if logits.shape[1] == 1:
        return functional.mse_loss(logits, teacher)
    return functional.kl_div(
        functional.log_softmax(logits, -1), functional.softmax(teacher, -1), reduction="batchmean"
    )


def parameter_groups(
    model: Learner, learning_rate: float, thresholds: float, decay: float
) -> list[dict[str, Any]]:
    """For the optimizer: weights, those without decay (biases, norms), and thresholds, whose
    published decay is 0."""
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
