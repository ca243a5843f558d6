"""Checkpoint directory -> Encoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.checkpoint.family import Family
from ltp_deploy.checkpoint.files import read_config, read_weights
from ltp_deploy.config import EncoderConfig
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import CheckpointError

_SIZES = (
    "layers",
    "hidden_size",
    "heads",
    "intermediate_size",
    "vocab_size",
    "position_rows",
    "embedding_size",
)

# What the first BERT checkpoints call a LayerNorm's weight and bias.
_LEGACY_PARTS = {"weight": "gamma", "bias": "beta"}


def load_encoder(
    directory: str | Path,
    score_length: int | str | None = None,
    first_token: str | None = None,
) -> Encoder:
    """Load a trained checkpoint as a float32 Encoder in eval mode.

    Args:
        directory: config.json plus safetensors or pytorch_model.bin weights.
        score_length: overrides the score denominator D, a positive integer or "sequence".
        first_token: overrides "keep" or "reference".

    Raises:
        CheckpointError: anything unsupported, missing, mis-shaped or not finite, by name.
    """
    directory = Path(directory)
    config = read_config(directory)
    family = _family(config)
    if config["model_type"] != "ltp":
        config = _with_defaults(directory)
    state = read_weights(directory)
    shape = _shape(family, config)
    policy = family.policy(config, state, shape["layers"])
    tensors, missing = _rename(family, state, shape["layers"])
    num_labels, labels = _labels(config, tensors)
    with torch.device("meta"):
        encoder = Encoder(
            EncoderConfig(
                family=config["model_type"],
                num_labels=num_labels,
                labels=labels,
                policy=policy.override(score_length, first_token),
                **shape,
            )
        )
    _check(encoder, tensors, missing)
    encoder.load_state_dict({k: v.float() for k, v in tensors.items()}, assign=True, strict=True)
    return encoder.requires_grad_(False).eval()


def _family(config: dict[str, Any]) -> Family:
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise CheckpointError(
            f"model_type {model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise CheckpointError(
            f"position_embedding_type {config['position_embedding_type']!r} is not supported; "
            "only 'absolute' is"
        )
    if config.get("is_decoder"):
        raise CheckpointError("is_decoder: true is not supported; LTP prunes encoders")
    return FAMILIES[model_type]


def _with_defaults(directory: Path) -> dict[str, Any]:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(directory, local_files_only=True).to_dict()
    except Exception as error:  # transformers raises many kinds for a malformed config
        raise CheckpointError(
            f"transformers cannot read {directory}/config.json: {error}"
        ) from error


def _shape(family: Family, config: dict[str, Any]) -> dict[str, Any]:
    try:
        shape = family.shape(config)
    except KeyError as error:
        raise CheckpointError(f"config.json lacks {error}") from None
    for key in _SIZES:
        if not isinstance(shape[key], int) or shape[key] <= 0:
            raise CheckpointError(f"config.json: {key} must be positive, found {shape[key]!r}")
    if shape["hidden_size"] % shape["heads"]:
        raise CheckpointError(
            f"hidden size {shape['hidden_size']} is not a multiple of {shape['heads']} heads"
        )
    return shape


def _rename(
    family: Family, state: Mapping[str, Tensor], layers: int
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors by our names, {our name: the family's name} of those not found)."""
    tensors: dict[str, Tensor] = {}
    missing: dict[str, str] = {}
    for ours, theirs in family.tensor_names(layers):
        source, _, part = theirs.rpartition(".")
        legacy = f"{source}.{_LEGACY_PARTS[part]}"
        found = next((name for name in (theirs, legacy) if name in state), None)
        if found is None:
            missing[ours] = theirs
        else:
            tensors[ours] = state[found]
    return tensors, missing


def _labels(config: dict[str, Any], tensors: Mapping[str, Tensor]) -> tuple[int, tuple[str, ...]]:
    names = config.get("id2label") or {}
    ordered = tuple(str(names[k]) for k in sorted(names, key=int))
    rows = tensors["head_output.weight"].shape[0] if "head_output.weight" in tensors else 0
    count = rows or len(ordered) or 2
    if ordered and len(ordered) != count:
        raise CheckpointError(
            f"config.json names {len(ordered)} labels, but the classifier has {count} outputs"
        )
    generic = all(name == f"LABEL_{i}" for i, name in enumerate(ordered))
    return count, () if generic else ordered


def _check(encoder: Encoder, tensors: dict[str, Tensor], missing: dict[str, str]) -> None:
    """Compare the tensors found with the ones the encoder needs; drop what it has no place for."""
    needed = encoder.state_dict()
    absent = [missing.get(name, name) for name in needed if name not in tensors]
    if absent:
        hint = ""
        if any(n.startswith("head_") for n in needed if n not in tensors):
            hint = "; it has no classification head: fine-tune it on a task first"
        raise CheckpointError(f"the weights lack {_listed(absent)}{hint}")
    for name in set(tensors) - set(needed):
        del tensors[name]
    wrong = [
        f"{name}: expected {list(needed[name].shape)}, found {list(t.shape)}"
        for name, t in tensors.items()
        if t.shape != needed[name].shape
    ]
    if wrong:
        raise CheckpointError(f"weights of a wrong shape: {_listed(wrong)}")
    broken = [name for name, t in tensors.items() if not torch.isfinite(t).all()]
    if broken:
        raise CheckpointError(f"weights with NaN or infinite values: {_listed(broken)}")


def _listed(items: list[str], limit: int = 6) -> str:
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
