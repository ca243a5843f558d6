"""Tiny random models that answer with vectors, as sentence-transformers stores them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.tiny import edit_config, save_tokenizer, tiny_model

DENSE = 12  # outputs of the linear layer
LENGTH = 24  # tokens that are read of a text


def save_embedding(
    directory: Path,
    family: str = "bert",
    ltp: dict[str, Any] | None = None,
    pooling: str = "mean",
    dense: str | None = None,
    normalize: bool = True,
    prompts: dict[str, str] | None = None,
    **entries: Any,
) -> Path:
    """A checkpoint directory.

    Args:
        ltp: a policy, for its config.json.
        pooling: "cls" or "mean".
        dense: the class of torch's activations after a linear layer; None for no layer.
        entries: more of config.json.
    """
    tiny_model(family).base_model.save_pretrained(directory)
    if ltp is not None:
        edit_config(directory, ltp=ltp)
    if entries:
        edit_config(directory, **entries)
    save_tokenizer(directory)
    kinds = ["Transformer", "Pooling", *["Dense"] * bool(dense), *["Normalize"] * normalize]
    paths = ["", *(f"{i}_{kind}" for i, kind in enumerate(kinds) if i)]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    write(directory / "modules.json", modules)
    flags = {f"pooling_mode_{name}": False for name in ("cls_token", "max_tokens", "mean_tokens")}
    flags["pooling_mode_cls_token" if pooling == "cls" else "pooling_mode_mean_tokens"] = True
    write(directory / "1_Pooling/config.json", {"word_embedding_dimension": 64, **flags})
    write(directory / "sentence_bert_config.json", {"max_seq_length": LENGTH})
    if prompts is not None:
        settings = {"prompts": prompts, "default_prompt_name": None}
        write(directory / "config_sentence_transformers.json", settings)
    if dense:
        activation = f"torch.nn.modules.activation.{dense}"
        shape = {"in_features": 64, "out_features": DENSE, "bias": True}
        write(directory / "2_Dense/config.json", {**shape, "activation_function": activation})
        random = torch.Generator().manual_seed(1)
        weights = {
            "linear.weight": torch.randn(DENSE, 64, generator=random) / 8,
            "linear.bias": torch.randn(DENSE, generator=random),
        }
        save_file(weights, directory / "2_Dense/model.safetensors", {"format": "pt"})
    return directory


def write(path: Path, value: Any) -> None:
    """A JSON file, in a folder that need not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
