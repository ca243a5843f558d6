"""The encoder in training: padded, differentiable, with the mask of the stage."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ltp_deploy.encoder import Encoder, Layer
from ltp_deploy.learn.masks import Mask
from ltp_deploy.pruning.oracle import attend, attention_probabilities, padded_position_ids


class Learner(nn.Module):
    """An encoder with a mask, as transformers' `Trainer` takes models.

    Attributes:
        regularisation: lambda, what the mean of the soft mask costs.
        distill: weight of the teacher's answers in the loss.
    """

    def __init__(
        self, encoder: Encoder, mask: Mask, regularisation: float = 0.0, distill: float = 0.0,
        dropout: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        self.encoder = encoder
        self.mask = mask
        self.regularisation = regularisation
        self.distill = distill
        self.dropout = dropout

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
            logits [B, labels]; kept: the mask's mean over real tokens, summed over layers; with
            labels also loss.
        """
        logits, kept = self.run(input_ids, attention_mask.bool(), token_type_ids)
        output = {"logits": logits, "kept": kept}
        if labels is not None:
            output["loss"] = self._loss(logits, kept, labels, teacher)
        return output

    def run(self, input_ids: Tensor, real: Tensor, types: Tensor) -> tuple[Tensor, Tensor]:
        encoder = self.encoder
        x = self._drop(
            encoder.embed(input_ids, padded_position_ids(encoder, input_ids, real), types)
        )
        lengths, alive = real.sum(1), real
        kept = x.new_zeros(())
        for i, layer in enumerate(encoder.layers):
            assert isinstance(layer, Layer)
            probability = attention_probabilities(layer, x, alive)
            score = probability.sum((1, 2))
            context = attend(layer, self._drop(probability), x)
            x = self._finish(layer, context, x)
            alive, weight = self.mask(i, layer, score, alive, lengths)
            if weight is None:
                kept = kept + alive[real].float().mean()
            else:
                kept = kept + weight[real].mean()
                x = x * weight[..., None].to(x.dtype)
        return encoder.classify(self._drop(x[:, 0])), kept

    def _finish(self, layer: Layer, context: Tensor, x: Tensor) -> Tensor:
        """`Layer.finish`, with dropout where BERT has it."""
        x = layer.attention_norm(self._drop(layer.attention_output(context)) + x)
        wide = layer.activation(layer.intermediate(x))
        return layer.output_norm(self._drop(layer.output(wide)) + x)

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)

    def _loss(self, logits: Tensor, kept: Tensor, labels: Tensor, teacher: Tensor | None) -> Tensor:
        loss = task_loss(logits, labels)
        if teacher is not None and self.distill:
            loss = (1 - self.distill) * loss + self.distill * distillation_loss(logits, teacher)
        return loss + self.regularisation * kept if self.training else loss


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
