"""Encoder -> checkpoint directory, in its family's own weight names."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.directory import new_directory
from ltp_deploy.checkpoint.answers import KEYS
from ltp_deploy.checkpoint.embedding import POOLING, copy_pipeline, pipeline_files
from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.checkpoint.files import read_config
from ltp_deploy.checkpoint.label_thresholds import KEY as LABEL_THRESHOLDS
from ltp_deploy.checkpoint.label_thresholds import to_config
from ltp_deploy.checkpoint.new_head import NewHead
from ltp_deploy.checkpoint.refusals import classifier_class
from ltp_deploy.data.labels import generic_names, id2label
from ltp_deploy.data.own_files import check_own
from ltp_deploy.data.transformers_tokenizer import copy_tokenizer, tokenizer_files
from ltp_deploy.model.config import MEANS
from ltp_deploy.model.encoder import Encoder

# What config.json says of the head.
_OF_HEADS = {"num_labels", "_num_labels", "id2label", "label2id", "problem_type", *KEYS}

_DENSE = ("head_dense.weight", "head_dense.bias")  # of an embedding model, in a folder of its own


def new_checkpoint(path: Path, source: Path, force: bool = False) -> AbstractContextManager[Path]:
    """A temporary directory that becomes the checkpoint `path`, see `new_directory`.

    Args:
        source: the checkpoint that it is made from.

    Raises:
        LtpError: also where files cannot be copied from there, before any work is done.
    """
    for file in (*tokenizer_files(source), *pipeline_files(source)):
        if file.suffix not in (".safetensors", ".bin"):
            check_own(file, source)
    return new_directory(path, force, "config.json", "checkpoint")


def write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")


def save_encoder(
    encoder: Encoder, source: Path, output: Path, new_head: NewHead | None = None
) -> None:
    """Write `encoder` as a checkpoint that this loader and transformers read.

    config.json and the tokenizer come from the checkpoint `source`; the pruning policy goes into
    config.json's `ltp` entry, the thresholds of labels into `label_thresholds`. In the released LTP
    format the former takes the place of `prune_mode`, which cannot say every policy.

    Args:
        new_head: the encoder's, where it is not that of `source`.
    """
    from safetensors.torch import save_file

    family, ours = FAMILIES[encoder.config.family], encoder.config
    state = {name: tensor.cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    dense = {name: state.pop(name) for name in _DENSE if ours.embedding and name in state}
    tensors = family.rename(state, ours.layers)
    if ours.embedding is not None:  # a bare encoder's weights have no prefix
        base, _ = family.base()
        tensors = {name.removeprefix(f"{base}."): tensor for name, tensor in tensors.items()}
    output.mkdir(parents=True, exist_ok=True)
    config = {**read_config(source), "ltp": ours.policy.to_config()}
    config.pop(LABEL_THRESHOLDS, None)
    if "prune_mode" in config:
        config["prune_mode"] = None
    if new_head is not None:
        config = {key: value for key, value in config.items() if key not in _OF_HEADS}
        config["architectures"] = [classifier_class(config["model_type"], family.architectures)]
        config |= new_head.to_config()
    if ours.embedding is not None:
        if ours.embedding.pooling in MEANS:
            config[POOLING] = ours.embedding.pooling
    elif config.get("id2label") is None:  # transformers would take it for two labels
        config |= id2label(generic_names(ours.num_labels))
    config |= to_config(ours)
    for key in ("dtype", "torch_dtype"):  # which transformers would read the weights as
        if key in config:
            config[key] = "float32"
    write_json(output / "config.json", config)
    save_file(tensors, output / "model.safetensors", {"format": "pt"})
    if ours.embedding is not None:
        copy_pipeline(source, output, dense)
    if source.resolve() != output.resolve():
        copy_tokenizer(source, output)
