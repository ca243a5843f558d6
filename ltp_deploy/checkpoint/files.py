"""Reading a checkpoint directory's files, without ever running code from them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltp_deploy.bundle.document import parse
from ltp_deploy.data.own_files import check_stored
from ltp_deploy.errors import CheckpointError

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Weights that are not read: which files they are, and what makes them readable.
_CONVERT = (
    "convert them with a version of transformers that reads them (4, by "
    "`from_pretrained(DIR, from_{}=True)` and `save_pretrained`)"
)
_OTHER_WEIGHTS = {
    "tf_model*.h5": _CONVERT.format("tf"),
    "flax_model*.msgpack": _CONVERT.format("flax"),
    "model.*.safetensors": "rename the variant that you mean to model.safetensors",
    "pytorch_model.*.bin": "rename the variant that you mean to pytorch_model.bin",
    "model-*-of-*.safetensors": "these are shards; model.safetensors.index.json is missing",
    "pytorch_model-*-of-*.bin": "these are shards; pytorch_model.bin.index.json is missing",
    "adapter_model.*": "an adapter alone is no model; merge it into the model (PEFT: "
    "`merge_and_unload()`) and save that",
    "checkpoint-*": "name the training run's folder that you mean",
    "**/*.onnx": "ONNX holds a finished graph; get the checkpoint that it was exported from",
    "*.xml": "OpenVINO holds a finished graph; get the checkpoint that it was exported from",
    "*.gguf": "get the checkpoint that it was made from",
    "*.ckpt": "save the model's own state_dict, or use `save_pretrained`",
    "*.pt": "save with `save_pretrained`, or as pytorch_model.bin",
    "*.pth": "save with `save_pretrained`, or as pytorch_model.bin",
    "*.safetensors": "rename the file that you mean to model.safetensors",
    "*.bin": "rename the file that you mean to pytorch_model.bin",
}
_ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_POINTER = b"version https://git-lfs"


def read_config(directory: Path) -> dict[str, Any]:
    """config.json as a dict, as it stands there."""
    path = directory / "config.json"
    if not directory.is_dir():
        raise CheckpointError(
            f"{directory} is not a directory; a checkpoint is a directory with config.json and "
            "weights (download a hub model first, e.g. with `hf download MODEL --local-dir DIR`)"
        )
    if not path.is_file():
        found = ", ".join(sorted(p.name for p in directory.iterdir())[:8]) or "nothing"
        raise CheckpointError(f"{directory} has no config.json; it holds: {found}")
    config = read_json(path)
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold a JSON object, found a {type(config).__name__}")
    return config


def read_json(path: Path) -> Any:
    """A file of a checkpoint.

    Raises:
        CheckpointError: it cannot be read, or is no JSON.
    """
    try:
        check_stored([path])
        return parse(path.read_bytes(), foreign=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON in UTF-8: {error}") from error


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights, in the order of their preference by transformers."""
    for name in WEIGHT_FILES:
        path = directory / name
        if not path.is_file():
            continue
        if not name.endswith(".index.json"):
            return [path]
        return _shards(path)
    raise CheckpointError(
        f"{directory} holds no weights; expected one of {', '.join(WEIGHT_FILES)}"
        f"{_others(directory)}"
    )


def _others(directory: Path) -> str:
    """What weights there are instead, and what to do with them."""
    for pattern, advice in _OTHER_WEIGHTS.items():
        found = sorted(str(path.relative_to(directory)) for path in directory.glob(pattern))
        if found:
            return f"; found {', '.join(found[:4])}: {advice}"
    return ""


def _shards(index: Path) -> list[Path]:
    try:
        names = set(read_json(index)["weight_map"].values())
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is not an index of weight shards: {error!r}") from error
    for name in names:
        in_folder = isinstance(name, str) and Path(name).name == name
        if not in_folder or not (index.parent / name).is_file():
            raise CheckpointError(f"{index} names the shard {name!r}, which is not in its folder")
    return [index.parent / name for name in sorted(names)]


def read_weights(directory: Path) -> dict[str, Tensor]:
    """All tensors of the checkpoint by name.

    Raises:
        CheckpointError: there are none, they cannot be read without running code, or an adapter
            lies beside them, with which the model would be another one.
    """
    state: dict[str, Tensor] = {}
    files = weight_files(directory)
    for name in _ADAPTER_FILES:
        if (directory / name).exists():
            raise CheckpointError(
                f"{directory} holds an adapter beside the weights ({name}); merge it into them "
                "(PEFT: `merge_and_unload()`) and save the whole model, or remove it"
            )
    check_stored(files)
    for path in files:
        state.update(_read_file(path))
    return state


def _read_file(path: Path) -> dict[str, Tensor]:
    state = _read_tensors(path)
    for name, tensor in state.items():
        if tensor.is_meta or tensor.layout != torch.strided:
            kind = "no values" if tensor.is_meta else f"the layout {tensor.layout}"
            raise CheckpointError(
                f"{path}: {name} has {kind}; save the model's own weights, as dense tensors"
            )
        # Else a few bytes could stand for any number of values.
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise CheckpointError(
                f"{path}: {name} repeats the same values in memory; save it contiguous"
            )
    storages = [tensor.untyped_storage() for tensor in state.values()]
    held = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    if held > (size := path.stat().st_size):
        raise CheckpointError(f"{path} has {size} bytes, and its tensors {held}; it is damaged")
    return state


def _read_tensors(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise CheckpointError(
                f"{path} is a Git LFS pointer, not the weights themselves: `git lfs pull` gets them"
            )
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, KeyError) as error:  # or types that PyTorch does not have
            raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    _check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} needs code to load (or is damaged) and is refused, since a pickle can run "
            "anything; re-save the weights as safetensors where you trust them "
            f"[{_first_line(error)}]"
        ) from error
    except Exception as error:  # what torch raises for a damaged file is not documented
        raise CheckpointError(f"{path} cannot be read: {_first_line(error)}") from error
    if not isinstance(state, dict):
        raise CheckpointError(
            f"{path} does not hold a dict of tensors, but a {type(state).__name__}"
        )
    others = [
        str(name)
        for name, value in state.items()
        if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if others:
        raise CheckpointError(
            f"{path} does not hold a dict of tensors: {', '.join(others[:6])} "
            f"{'are' if len(others) > 1 else 'is'} something else; save the model's own state_dict "
            "alone (often the entry `state_dict` of a training checkpoint)"
        )
    return state


def _check_archive(path: Path) -> None:
    """Refuse a .bin file whose entries are more than the file: compressed, or one over the other.

    PyTorch writes them one after another as they are.
    """
    if not zipfile.is_zipfile(path):
        return  # in the format of before 1.6, or damaged
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if size > path.stat().st_size:
        raise CheckpointError(
            f"{path} is compressed: {path.stat().st_size} bytes for {size}; save the weights as "
            "safetensors, or by `torch.save`"
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
