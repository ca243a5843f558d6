"""Checkpoints in the released LTP format, with tiny random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

LAYERS = 5
HIDDEN = 64
INTERMEDIATE = 96
POSITIONS = 50
VOCABULARY = 90

# What config.json adds for each prune mode; values prune on batches of 5 to 25 tokens.
MODES: dict[str | bool | None, dict[str, Any]] = {
    "absolute_threshold": {"final_token_threshold": 0.01},
    "threshold": {"token_threshold": 0.4},
    "rising_threshold": {"final_token_threshold": 1.1},
    "topk": {"token_keep_rate": 0.3},
    None: {},
}


def released_config(prune_mode: str | bool | None, **changes: Any) -> dict[str, Any]:
    return {
        "model_type": "ltp",
        "architectures": ["LTPForSequenceClassification"],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 1,
        "position_embedding_type": "absolute",
        "prune_mode": prune_mode,
        "quant_mode": False,
        "type_vocab_size": 2,
        "vocab_size": VOCABULARY,
        **MODES.get(prune_mode, {}),
        **changes,
    }


def released_weights(
    layers: int = LAYERS, labels: int = 2, seed: int = 0, thresholds: list[float] | None = None
) -> dict[str, Tensor]:
    """Weights by the released code's names, with the quantisation buffers it also saves."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def normal(name: str, *shape: int, scale: float = 0.2, mean: float = 0.0) -> None:
        state[name] = mean + scale * torch.randn(shape, generator=generator)

    def linear(name: str, out: int, into: int) -> None:
        normal(f"{name}.weight", out, into)
        normal(f"{name}.bias", out)
        state[f"{name}.weight_integer"] = torch.zeros(out, into)
        state[f"{name}.fc_scaling_factor"] = torch.zeros(out)

    def norm(name: str) -> None:
        normal(f"{name}.weight", HIDDEN, mean=1.0)
        normal(f"{name}.bias", HIDDEN)
        state[f"{name}.shift"] = torch.zeros(1)

    embeddings = {"word": VOCABULARY, "position": POSITIONS, "token_type": 2}
    for table, rows in embeddings.items():
        normal(f"ibert.embeddings.{table}_embeddings.weight", rows, HIDDEN, scale=1.0)
    state["ibert.embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    norm("ibert.embeddings.LayerNorm")
    for i in range(layers):
        layer = f"ibert.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
        linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        linear(f"{layer}.output.dense", HIDDEN, INTERMEDIATE)
        norm(f"{layer}.output.LayerNorm")
        state[f"{layer}.output.output_activation.x_min"] = torch.full((1,), -1e-5)
        # As training leaves it: no gradient reaches layer 0, the others move a little.
        learned = thresholds[i] if thresholds else (-0.0005 + 0.0008 * (i % 3) if i else 0.0)
        state[f"{layer}.attention.self.pruner.keep_threshold"] = torch.tensor(learned)
    linear("classifier.dense", HIDDEN, HIDDEN)
    linear("classifier.out_proj", labels, HIDDEN)
    return state


def save_released(
    directory: Path,
    prune_mode: str | bool | None,
    labels: int = 2,
    seed: int = 0,
    thresholds: list[float] | None = None,
    **changes: Any,
) -> Path:
    """A checkpoint directory; `thresholds` are the learned ones, by layer."""
    config = released_config(prune_mode, **changes)
    state = released_weights(config["num_hidden_layers"], labels, seed, thresholds)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    torch.save(state, directory / "pytorch_model.bin")
    return directory
