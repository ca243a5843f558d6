"""Models that answer with a vector, as sentence-transformers stores them.

modules.json lists a pipeline: the encoder, how its tokens are pooled, perhaps a linear layer,
perhaps a normalisation. All but the encoder lie in folders of their own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ltp_deploy.checkpoint.files import read_json, read_weights, weight_files
from ltp_deploy.data.own_files import check_own
from ltp_deploy.data.transformers_tokenizer import READING
from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.config import MEANS, Embedding

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"  # prompts
CONFIG = "config.json"
# What a mean over tokens is of, in config.json: "frozen" or "survivors".
POOLING = "ltp_pooling"
DEFAULT_MEAN = "frozen"
_POOLED = {"cls": "first", "mean": DEFAULT_MEAN}
# How versions of sentence-transformers before 5 say the same.
_LEGACY = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
_ACTIVATIONS = {"Identity": "identity", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu"}
_ACTIVATIONS |= {"SiLU": "silu", "Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class Pipeline:
    """What follows the encoder.

    Attributes:
        embedding: what it computes.
        dense: weight [outputs, d] and bias [outputs] of its linear layer, by our names.
        folder: of that layer, in the checkpoint; "" where there is none.
    """

    embedding: Embedding
    dense: Mapping[str, Tensor] = field(default_factory=dict)
    folder: str = ""


def read_pipeline(directory: Path, config: Mapping[str, Any]) -> Pipeline | None:
    """The pipeline of a checkpoint; None where it is no embedding model.

    Args:
        config: config.json.

    Raises:
        CheckpointError: a module or a setting that is not supported, by name.
    """
    modules = _modules(directory)
    if "Pooling" not in [kind for kind, _ in modules]:
        return None
    kinds = [kind for kind, _ in modules]
    wanted = ["Transformer", "Pooling"]
    wanted += [kind for kind in ("Dense", "Normalize") if kind in kinds]
    if kinds != wanted:
        raise CheckpointError(
            f"{MODULES} lists {', '.join(kinds)}; supported are Transformer, Pooling, and then "
            "Dense or Normalize or both in this order"
        )
    folders = dict(modules)
    if folders["Transformer"] not in ("", "."):
        raise CheckpointError(
            f"{MODULES}: the encoder lies in {folders['Transformer']}; save the model with a newer "
            "version of sentence-transformers, which puts it beside modules.json"
        )
    pooling = _pooling(directory / folders["Pooling"])
    if pooling in MEANS:
        pooling = config.get(POOLING, pooling)
        if pooling not in MEANS:
            raise CheckpointError(
                f"config.json: {POOLING} must be {' or '.join(MEANS)}, found {pooling!r}"
            )
    prompts, default = _prompts(directory)
    dense: str | None = None
    weights: dict[str, Tensor] = {}
    if "Dense" in folders:
        dense, weights = _dense(directory / folders["Dense"])
    embedding = Embedding(pooling, dense, "Normalize" in folders, prompts, default)
    return Pipeline(embedding, weights, folders.get("Dense", ""))


def pipeline_files(directory: Path) -> Iterator[Path]:
    """The files of a pipeline, the encoder's own left out; none where there is none."""
    modules = _modules(directory)
    if not modules:
        return
    for name in (MODULES, SETTINGS, READING):
        if (directory / name).is_file():
            yield directory / name
    for kind, folder in modules:
        if kind == "Transformer":
            continue
        if (directory / folder / CONFIG).is_file():
            yield directory / folder / CONFIG
        if kind == "Dense":
            yield from weight_files(directory / folder)


def copy_pipeline(source: Path, output: Path, dense: Mapping[str, Tensor]) -> None:
    """Write the pipeline of the checkpoint `source` into another one.

    Args:
        dense: weight and bias of its linear layer, in place of the source's; {} without one.
    """
    from safetensors.torch import save_file

    linear = dict(_modules(source)).get("Dense")
    weights = weight_files(source / linear) if linear else []
    for path in pipeline_files(source):
        copy = output / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path not in weights and source.resolve() != output.resolve():
            check_own(path, source)
            shutil.copyfile(path, copy)
    if linear:
        folder = output / linear
        folder.mkdir(parents=True, exist_ok=True)
        named = {f"linear.{part}": dense[f"head_dense.{part}"] for part in ("weight", "bias")}
        settings = {**_read(folder / CONFIG), "bias": True}
        (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n")
        save_file(named, folder / "model.safetensors", {"format": "pt"})


def _modules(directory: Path) -> list[tuple[str, str]]:
    """(kind, folder) of each module in their order; [] where there are none."""
    path = directory / MODULES
    if not path.is_file():
        return []
    entries = _read_json(path)
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("type"), str) and isinstance(e.get("path"), str)
        for e in entries
    ):
        raise CheckpointError(f"{path} must be a list of modules, each with its type and its path")
    for entry in entries:
        inside = (directory / entry["path"]).resolve().is_relative_to(directory.resolve())
        if not entry["type"].startswith("sentence_transformers.") or not inside:
            raise CheckpointError(
                f"{path} names {entry['type']} in {entry['path']!r}, which is none of "
                "sentence-transformers' own modules in the checkpoint's folder"
            )
    return [(entry["type"].rpartition(".")[2], entry["path"]) for entry in entries]


def _pooling(folder: Path) -> str:
    config = _read(folder / CONFIG)
    modes = config.get("pooling_mode")
    if modes is None:
        known = [key for key, value in config.items() if key.startswith("pooling_mode") and value]
        modes = [_LEGACY.get(key, key) for key in known] or ["mean"]
    modes = [modes] if isinstance(modes, str) else list(modes)
    if len(modes) != 1 or modes[0] not in _POOLED:
        raise CheckpointError(
            f"{folder / CONFIG}: pooling by {' and '.join(map(str, modes))} is not supported; by "
            "the first token (cls) or the mean is"
        )
    if config.get("include_prompt") is False:
        raise CheckpointError(
            f"{folder / CONFIG}: include_prompt: false is not supported: all tokens count"
        )
    return _POOLED[modes[0]]


def _dense(folder: Path) -> tuple[str, dict[str, Tensor]]:
    config = _read(folder / CONFIG)
    name = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    kind = name.rpartition(".")[2]
    if not name.startswith("torch.nn.") or kind not in _ACTIVATIONS:
        raise CheckpointError(
            f"{folder / CONFIG}: activation_function {name!r} is not supported; torch's "
            f"{', '.join(_ACTIVATIONS)} are"
        )
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, "sentence_embedding"):
            raise CheckpointError(f"{folder / CONFIG}: {key} {config[key]!r} is not supported")
    if config.get("use_residual"):
        raise CheckpointError(f"{folder / CONFIG}: use_residual is not supported")
    state = read_weights(folder)
    weight = state.get("linear.weight")
    if weight is None or weight.dim() != 2 or not set(state) <= {"linear.weight", "linear.bias"}:
        raise CheckpointError(f"{folder} must hold linear.weight and linear.bias, found {[*state]}")
    bias = state.get("linear.bias", weight.new_zeros(len(weight)))
    return _ACTIVATIONS[kind], {"head_dense.weight": weight, "head_dense.bias": bias}


def _prompts(directory: Path) -> tuple[dict[str, str], str | None]:
    config = _read(directory / SETTINGS) if (directory / SETTINGS).is_file() else {}
    prompts, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if not isinstance(prompts, dict) or not all(isinstance(p, str) for p in prompts.values()):
        raise CheckpointError(f"{directory / SETTINGS}: prompts must be strings by name")
    if default is not None and default not in prompts:
        raise CheckpointError(
            f"{directory / SETTINGS}: default_prompt_name {default!r} is none of the prompts, "
            f"{', '.join(prompts) or 'of which there are none'}"
        )
    return prompts, default


def _read(path: Path) -> dict[str, Any]:
    found = _read_json(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} must hold a JSON object")
    return found


def _read_json(path: Path) -> Any:
    if not path.exists():
        raise CheckpointError(f"{path} is missing, and {MODULES} needs it")
    return read_json(path)
