"""Encoder -> checkpoint directory, in its family's own weight names."""

from __future__ import annotations

import json
from pathlib import Path

from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.checkpoint.files import read_config
from ltp_deploy.encoder import Encoder
from ltp_deploy.errors import CheckpointError
from ltp_deploy.tokenizer import copy_tokenizer_files


def save_encoder(encoder: Encoder, source: Path, output: Path) -> None:
    """Write `encoder` as a checkpoint that this loader and transformers read.

    config.json and the tokenizer come from the checkpoint `source`; the pruning policy goes into
    config.json's `ltp` entry.

    Raises:
        CheckpointError: the family keeps its policy elsewhere (the released LTP format).
    """
    from safetensors.torch import save_file

    family = FAMILIES[encoder.config.family]
    if encoder.config.family == "ltp":
        raise CheckpointError("the released LTP format can only be read, not written")
    renamed = family.rename(encoder.state_dict(), encoder.config.layers)
    tensors = {name: tensor.contiguous() for name, tensor in renamed.items()}
    output.mkdir(parents=True, exist_ok=True)
    config = {**read_config(source), "ltp": encoder.config.policy.to_config()}
    (output / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(tensors, output / "model.safetensors", {"format": "pt"})
    if source.resolve() != output.resolve():
        copy_tokenizer_files(source, output)
