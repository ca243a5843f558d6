"""Checkpoints with random weights: speed depends on shapes and on how many tokens survive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import RobertaConfig


@dataclass(frozen=True)
class Shape:
    """What decides the speed of a RoBERTa-like encoder."""

    layers: int
    hidden: int
    heads: int
    vocabulary: int


ROBERTA_BASE = Shape(12, 768, 12, 50265)
BERT_BASE = Shape(12, 768, 12, 30522)
MINILM = Shape(6, 384, 12, 30522)


def a21(layers: int) -> list[float]:
    """The survivor profile "A21": the fraction of a sequence kept after each of 12 layers.

    It halves the work (2.10x fewer FLOPs at n=128), as the LTP paper reports for its models.
    """
    return [max(0.2, 1 - 0.0903 * (layer + 1)) for layer in range(layers)]


def configuration(shape: Shape, rates: list[float]) -> RobertaConfig:
    """The configuration of a RoBERTa that keeps these fractions of tokens per layer (top-k)."""
    from transformers import RobertaConfig

    config = RobertaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.hidden,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        num_labels=2,
    )
    config.ltp = {
        "layers": [{"mode": "topk", "threshold": rate} for rate in rates],
        "score_length": "sequence",
        "first_token": "keep",
    }
    return config


def write_checkpoint(directory: Path, shape: Shape, rates: list[float]) -> None:
    """Write a checkpoint with random weights of this configuration."""
    import torch
    from transformers import RobertaForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(configuration(shape, rates))
    with torch.no_grad():  # OpenVINO folds away zero biases and unit gains
        for name, parameter in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                parameter.normal_(1, 0.1)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.02)
    model.save_pretrained(directory)
