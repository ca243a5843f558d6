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
from ltp_deploy.errors import CheckpointError
from ltp_deploy.heads import head_for
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder

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
    try:
        shape = _shape(family, config)
        policy = family.policy(config, state, shape["layers"])
        tensors = _rename(family, state, shape["layers"])
        num_labels, labels = _labels(config, tensors)
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"config.json holds a value of a wrong kind: {error}") from error
    with torch.device("meta"):
        encoder = Encoder(
            EncoderConfig(
                family=config["model_type"],
                head=head_for(num_labels, config.get("problem_type")),
                num_labels=num_labels,
                labels=labels,
                policy=policy.override(score_length, first_token),
                **shape,
            )
        )
    _check(encoder, tensors, dict(family.tensor_names(shape["layers"])))
    encoder.load_state_dict({k: v.float() for k, v in tensors.items()}, assign=True, strict=True)
    return encoder.requires_grad_(False).eval()


def _family(config: dict[str, Any]) -> Family:
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise CheckpointError(
            f"model_type {model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise CheckpointError(
            f"position_embedding_type {config['position_embedding_type']!r} is not supported; "
            "only 'absolute' is"
        )
    for architecture in config.get("architectures") or []:
        if architecture.endswith(("ForTokenClassification", "ForQuestionAnswering")):
            raise CheckpointError(
                f"{architecture} is not supported: classification and regression of whole texts are"
            )
    if config.get("is_decoder"):
        raise CheckpointError("is_decoder: true is not supported; LTP prunes encoders")
    return FAMILIES[model_type]


def _with_defaults(directory: Path) -> dict[str, Any]:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            directory, local_files_only=True, trust_remote_code=False
        )
        return config.to_dict()
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
    if not 0 <= shape["pad_token_id"] < shape["vocab_size"]:
        raise CheckpointError(
            f"config.json: pad_token_id {shape['pad_token_id']} lies outside the vocabulary of "
            f"{shape['vocab_size']}"
        )
    if shape["position_rows"] <= shape["position_start"]:
        raise CheckpointError(
            f"config.json: {shape['position_rows']} positions leave no room for a token, since "
            f"the first has position {shape['position_start']}"
        )
    if shape["hidden_size"] % shape["heads"]:
        raise CheckpointError(
            f"hidden size {shape['hidden_size']} is not a multiple of {shape['heads']} heads"
        )
    return shape


def _rename(family: Family, state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The tensors found, by our names."""
    tensors: dict[str, Tensor] = {}
    for ours, theirs in family.tensor_names(layers):
        source, _, part = theirs.rpartition(".")
        for name in (theirs, f"{source}.{_LEGACY_PARTS[part]}"):
            if name in state:
                tensors.setdefault(ours, state[name])
    known = set(family.tensor_names(layers))
    beyond = [pair for pair in family.tensor_names(layers + 1) if pair not in known]
    surplus = [theirs for _, theirs in beyond if theirs in state]
    if surplus:
        raise CheckpointError(
            f"config.json says {layers} layers, but the weights have more: {_listed(surplus)}"
        )
    return tensors


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


def _check(encoder: Encoder, tensors: dict[str, Tensor], names: Mapping[str, str]) -> None:
    """Compare the tensors found with the ones the encoder needs; drop what it has no place for.

    `names` maps our names to the checkpoint's, which the messages use.
    """
    needed = encoder.state_dict()
    absent = [name for name in needed if name not in tensors]
    if absent:
        headless = any(name.startswith("head_") for name in absent)
        hint = "; it has no classification head: fine-tune it on a task first" if headless else ""
        raise CheckpointError(f"the weights lack {_listed([names[n] for n in absent])}{hint}")
    for name in set(tensors) - set(needed):
        del tensors[name]
    wrong = [
        f"{names[name]}: expected {list(needed[name].shape)}, found {list(t.shape)}"
        for name, t in tensors.items()
        if t.shape != needed[name].shape
    ]
    if wrong:
        raise CheckpointError(f"weights of a wrong shape: {_listed(wrong)}")
    broken = [
        names[name]
        for name, t in tensors.items()
        if not t.is_floating_point() or not torch.isfinite(t).all()
    ]
    if broken:
        raise CheckpointError(
            f"weights with NaN or infinite values, or not real numbers: {_listed(broken)}"
        )


def _listed(items: list[str], limit: int = 6) -> str:
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
