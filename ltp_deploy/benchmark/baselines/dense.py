"""The dense model of a checkpoint: what it would be without pruning, as transformers has it."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.model.encoder import Encoder


class DenseModel(nn.Module):
    """A transformers classifier that takes padded tensors and returns logits."""

    def __init__(self, model: nn.Module, token_types: bool):
        super().__init__()
        self.model = model
        self.inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * token_types

    def forward(self, *values: Tensor) -> Tensor:
        """[B, n] int64 tensors in the order of `inputs` -> logits [B, labels]."""
        return self.model(**dict(zip(self.inputs, values, strict=True))).logits

    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace with; the second sequence is shorter, so that the mask matters."""
        mask = torch.tensor([[1] * 8, [1] * 5 + [0] * 3])
        known = {
            "input_ids": torch.arange(2, 18).reshape(2, 8),
            "attention_mask": mask,
            "token_type_ids": torch.zeros_like(mask),
        }
        return tuple(known[name] for name in self.inputs)


class DenseEmbedding(DenseModel):
    """The same with an encoder whose tokens become one vector [B, num_labels]."""

    def __init__(self, model: nn.Module, encoder: Encoder):
        super().__init__(model, encoder.config.type_vocab_size > 1)
        assert encoder.config.embedding is not None
        self.reads_first = encoder.config.reads_first
        self.normalize = encoder.config.embedding.normalize
        dense = copy.deepcopy(encoder.head_dense)  # it may move to another device or precision
        self.after = nn.Sequential(*([dense, encoder.head_activation] if dense else []))

    def forward(self, *values: Tensor) -> Tensor:
        given = dict(zip(self.inputs, values, strict=True))
        states = self.model(**given).last_hidden_state
        real = given["attention_mask"][..., None].to(states.dtype)
        pooled = states[:, 0] if self.reads_first else (states * real).sum(1) / real.sum(1)
        vectors = self.after(pooled)
        return functional.normalize(vectors) if self.normalize else vectors


def dense_model(checkpoint: Path, encoder: Encoder, attention: str = "sdpa") -> DenseModel:
    """Load the checkpoint as its family's transformers model, which prunes nothing.

    Args:
        encoder: the same checkpoint, loaded; it gives the weights where transformers does not
            know the checkpoint's format.
        attention: transformers' implementation. OpenVINO fuses "sdpa", ONNX Runtime "eager".
    """
    from transformers import AutoModel, AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if encoder.config.family == "ltp":
        model = _as_roberta(encoder, attention)
    else:
        vectors = encoder.config.embedding is not None
        kind = AutoModel if vectors else AutoModelForSequenceClassification
        model = kind.from_pretrained(
            checkpoint,
            attn_implementation=attention,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            **({} if vectors else {"num_labels": encoder.config.num_labels}),
        )
        if vectors:
            return DenseEmbedding(model.eval(), encoder)
        # transformers leaves random what it does not find under its own names.
        weights = FAMILIES[encoder.config.family].rename(
            encoder.state_dict(), encoder.config.layers
        )
        model.load_state_dict(weights)
    return DenseModel(model.eval(), encoder.config.type_vocab_size > 1)


def _as_roberta(encoder: Encoder, attention: str) -> nn.Module:
    """The released LTP format is RoBERTa with other names."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    ours = encoder.config
    config = RobertaConfig(
        vocab_size=ours.vocab_size,
        hidden_size=ours.hidden_size,
        num_hidden_layers=ours.layers,
        num_attention_heads=ours.heads,
        intermediate_size=ours.intermediate_size,
        hidden_act=ours.activation,
        max_position_embeddings=ours.position_rows,
        type_vocab_size=ours.type_vocab_size,
        layer_norm_eps=ours.layer_norm_eps,
        pad_token_id=ours.pad_token_id,
        num_labels=ours.num_labels,
        attn_implementation=attention,
    )
    model = RobertaForSequenceClassification(config)
    model.load_state_dict(FAMILIES["roberta"].rename(encoder.state_dict(), ours.layers))
    return model
