"""Checkpoint directory -> Encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltp_deploy.checkpoint.answers import read_activation
from ltp_deploy.checkpoint.embedding import Pipeline, read_pipeline
from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.checkpoint.family import Family
from ltp_deploy.checkpoint.files import read_config, read_weights
from ltp_deploy.checkpoint.label_thresholds import KEY as LABEL_THRESHOLDS
from ltp_deploy.checkpoint.label_thresholds import LabelThresholds, with_thresholds
from ltp_deploy.checkpoint.labels import read_labels
from ltp_deploy.checkpoint.names import family_names
from ltp_deploy.checkpoint.new_head import NewHead
from ltp_deploy.checkpoint.refusals import check_config, without_head
from ltp_deploy.errors import CheckpointError
from ltp_deploy.heads import head_for
from ltp_deploy.heads.embedding import EmbeddingHead
from ltp_deploy.model.config import MEANS, EncoderConfig
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

_MOST = 1 << 24  # of a size in config.json; no model has as much, and two of them fit 64 bits
_REAL = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
# What the first BERT checkpoints call a LayerNorm's weight and bias.
_LEGACY_PARTS = {"weight": "gamma", "bias": "beta"}


def load_encoder(
    directory: str | Path,
    score_length: int | str | None = None,
    first_token: str | None = None,
    undecided_score_length: int | str | None = None,
    new_head: NewHead | None = None,
    label_thresholds: LabelThresholds | None = None,
) -> Encoder:
    """Load a trained checkpoint as a float32 Encoder in eval mode.

    Args:
        directory: config.json plus safetensors or pytorch_model.bin weights.
        score_length: overrides the score denominator D, a positive integer or "sequence".
        first_token: overrides "keep" or "reference".
        undecided_score_length: D where the checkpoint leaves it undecided, which is otherwise an
            error; it overrides nothing.
        new_head: takes the place of the checkpoint's own head, which may be missing.
        label_thresholds: override the probabilities above which labels hold, see `with_thresholds`.

    Raises:
        CheckpointError: anything unsupported, missing, mis-shaped or not finite, by name.
    """
    directory = Path(directory)
    written = read_config(directory)
    family = _family(written, any_task=new_head is not None)
    state = family_names(read_weights(directory), family)
    config = _with_defaults(written) if family.in_transformers else written
    try:
        shape = _shape(family, config)
        if shape["layers"] > len(state):
            raise CheckpointError(
                f"config.json says {shape['layers']} layers, and there are {len(state)} weights"
            )
        stated = undecided_score_length if score_length is None else score_length
        policy = family.policy(config, state, shape["layers"], stated)
        tensors = _rename(family, state, shape["layers"])
        pipeline = read_pipeline(directory, written) if new_head is None else None
        answer_activation, labels = "none", tuple[str, ...]()
        if pipeline is not None:
            tensors = _with_pipeline(tensors, pipeline)
            num_labels, head = shape["hidden_size"], EmbeddingHead.name
            if pipeline.dense:
                num_labels = len(pipeline.dense["head_dense.weight"])
        elif new_head is None:
            outputs = _outputs(tensors)
            labels = read_labels(written, outputs) if outputs else ()
            num_labels = outputs or 2  # without a classifier any number: `_check` refuses it
            head = head_for(num_labels, config.get("problem_type"))
            answer_activation = read_activation(written, num_labels)
        else:
            num_labels, labels = new_head.outputs, new_head.names
            head = new_head.kind
            answer_activation = read_activation(new_head.to_config(), num_labels)
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"config.json holds a value of a wrong kind: {error}") from error
    policy = policy.override(score_length, first_token)
    if pipeline is not None and pipeline.embedding.pooling in MEANS and not policy.keep_first:
        raise CheckpointError(
            "first_token 'reference' is for answers that are read from the first token, and this "
            "model's are a mean over tokens: use 'keep'"
        )
    try:
        ours = EncoderConfig(
            family=config["model_type"] if family.in_transformers else family.model_types[0],
            head=head,
            num_labels=num_labels,
            labels=labels,
            policy=policy,
            answer_activation=answer_activation,
            embedding=pipeline.embedding if pipeline else None,
            **shape,
        )
    except ValueError as error:
        raise CheckpointError(f"config.json: {error}") from None
    if new_head is None and written.get(LABEL_THRESHOLDS) is not None:
        ours = with_thresholds(ours, written[LABEL_THRESHOLDS], f"config.json: {LABEL_THRESHOLDS}")
    if label_thresholds is not None:
        ours = with_thresholds(ours, label_thresholds, LABEL_THRESHOLDS)
    with torch.device("meta"):
        encoder = Encoder(ours)
    if new_head is not None:
        tensors = new_head.put_on(tensors, encoder, family)
    names = dict(family.tensor_names(shape["layers"]))
    if pipeline is not None:
        names |= {name: f"{pipeline.folder}: {name}" for name in pipeline.dense}
    _check(encoder, tensors, names, state)
    floats = _float(tensors)
    _check_finite(floats, names)
    encoder.load_state_dict(floats, assign=True, strict=True)
    return encoder.requires_grad_(False).eval()


def _family(config: dict[str, Any], any_task: bool) -> Family:
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise CheckpointError(
            f"model_type {model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    family = FAMILIES[model_type]
    check_config(config, family, any_task)
    return family


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """config.json with transformers' values for what it leaves out."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    # Labels are read from the file itself, see `read_labels`; transformers would make as many
    # names as the file says.
    labels = ("id2label", "label2id", "num_labels", "_num_labels")
    given = {key: value for key, value in config.items() if key not in labels}
    try:
        return CONFIG_MAPPING[config["model_type"]].from_dict(given).to_dict()
    except Exception as error:  # transformers raises many kinds for a malformed config
        reason = " ".join(str(error).split())
        raise CheckpointError(f"transformers does not take config.json: {reason}") from error


def _shape(family: Family, config: dict[str, Any]) -> dict[str, Any]:
    try:
        shape = family.shape(config)
    except KeyError as error:
        raise CheckpointError(f"config.json lacks {error}") from None
    for key in _SIZES:
        if not _is_count(shape[key]) or shape[key] == 0:
            raise CheckpointError(f"config.json: {key} must be positive, found {shape[key]!r}")
    for key in (*_SIZES, "type_vocab_size"):
        if _is_count(shape[key]) and shape[key] > _MOST:
            raise CheckpointError(
                f"config.json: {key} is {shape[key]}, and no model has more than {_MOST}"
            )
    for key in ("type_vocab_size", "pad_token_id"):
        if not _is_count(shape[key]):
            raise CheckpointError(f"config.json: {key} must be 0 or more, found {shape[key]!r}")
    epsilon = shape["layer_norm_eps"]
    number = isinstance(epsilon, int | float) and not isinstance(epsilon, bool)
    if not number or not 0 < epsilon < math.inf:
        raise CheckpointError(f"config.json: layer_norm_eps must be positive, found {epsilon!r}")
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


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rename(family: Family, state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The tensors found, by our names."""
    tensors: dict[str, Tensor] = {}
    known = list(family.tensor_names(layers))
    for ours, theirs in known:
        source, _, part = theirs.rpartition(".")
        names = [n for n in (theirs, f"{source}.{_LEGACY_PARTS[part]}") if n in state]
        if len(names) > 1:
            raise CheckpointError(f"the weights hold {theirs} twice, also as {names[1]}; keep one")
        if names:
            tensors[ours] = state[names[0]]
    beyond = {*family.tensor_names(layers + 1)}.difference(known)
    surplus = sorted(theirs for _, theirs in beyond if theirs in state)
    if surplus:
        raise CheckpointError(
            f"config.json says {layers} layers, but the weights have more: {_listed(surplus)}"
        )
    return tensors


def _with_pipeline(tensors: Mapping[str, Tensor], pipeline: Pipeline) -> dict[str, Tensor]:
    """The encoder's tensors without those of a pooler, which no embedding model uses, and with
    those of its pipeline."""
    kept = {name: t for name, t in tensors.items() if not name.startswith("head_")}
    return {**kept, **pipeline.dense}


def _outputs(tensors: Mapping[str, Tensor]) -> int:
    """How many outputs the classifier has; 0 where there is none."""
    weight = tensors.get("head_output.weight")
    return weight.shape[0] if weight is not None and weight.dim() == 2 else 0


def _check(
    encoder: Encoder,
    tensors: dict[str, Tensor],
    names: Mapping[str, str],
    state: Mapping[str, Tensor],
) -> None:
    """Compare the tensors found with the ones that the encoder needs.

    Args:
        tensors: by our names.
        names: our names -> the checkpoint's, which the messages use.
        state: all tensors of the checkpoint, by its names.
    """
    needed = encoder.state_dict()
    absent = [name for name in needed if name not in tensors]
    if absent:
        hint = ""
        if "word.weight" in absent:
            hint = f"; they hold {_listed(list(state)) or 'nothing'}"
        elif {"head_output.weight", "head_output.bias"} <= set(absent):
            hint = f"; {without_head(state)}"
        elif "head_dense.weight" in absent:
            hint = "; a classifier without this layer is that of another task, or of another model"
        raise CheckpointError(f"the weights lack {_listed([names[n] for n in absent])}{hint}")
    surplus = [names[name] for name in tensors if name not in needed]
    if surplus:
        raise CheckpointError(
            f"the weights hold {_listed(surplus)}, for which config.json leaves no place "
            "(type_vocab_size, embedding_size)"
        )
    wrong = [
        f"{names[name]}: expected {list(needed[name].shape)}, found {list(t.shape)}"
        for name, t in tensors.items()
        if t.shape != needed[name].shape
    ]
    if wrong:
        raise CheckpointError(f"weights of a wrong shape: {_listed(wrong)}")
    quantized = [f"{names[n]} ({t.dtype})" for n, t in tensors.items() if t.dtype not in _REAL]
    if quantized:
        raise CheckpointError(
            f"weights that are not float16, bfloat16, float32 or float64: {_listed(quantized)}; "
            "save the checkpoint with float weights, and let --precision quantize"
        )


def _check_finite(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    broken = [names[name] for name, t in tensors.items() if not torch.isfinite(t).all()]
    if broken:
        raise CheckpointError(f"weights with NaN or infinite values in float32: {_listed(broken)}")


def _float(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in float32, each with memory of its own: a .bin file may hold several that share
    theirs, and training would then change them together."""
    found, memory = {}, set()
    for name, tensor in tensors.items():
        single = tensor.float()
        start = single.untyped_storage().data_ptr()
        found[name] = single.clone() if start in memory else single
        memory.add(start)
    return found


def _listed(items: list[str], limit: int = 6) -> str:
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
