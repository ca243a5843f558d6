"""A checkpoint written back is read by transformers and by us as the same model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.answers import batch_for, packed_answers
from tests.checkpoint.test_families import transformers_logits
from tests.released import save_released
from tests.tiny import ALL_FAMILIES, edit_config, save_tiny

POLICY = PrunePolicy((LayerRule(Mode.TOPK, 0.5),) * 3, score_length=9, keep_first=False)


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_weights_and_policy_come_back(
    family: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = checkpoint_of(family)
    dense = load_encoder(source)
    save_encoder(dense.with_policy(POLICY), source, tmp_path / "out")

    found = load_encoder(tmp_path / "out")
    assert found.config.policy == POLICY
    for name, tensor in dense.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    batch = batch_for(dense)
    np.testing.assert_allclose(
        transformers_logits(tmp_path / "out", dense, batch),
        packed_answers(dense, dense, batch)[0],
        atol=1e-5,
    )


def strip(directory: Path, prefix: str) -> None:
    """Save the weights without a prefix of their names."""
    file = directory / "model.safetensors"
    save_file({name.removeprefix(prefix): t for name, t in load_file(file).items()}, file)


def test_names_without_the_prefix_and_settings_left_out_come_back_whole(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "source", "bert", labels=3)
    strip(source, "bert.")
    edit_config(source, id2label=None, label2id=None, dtype="float16")
    encoder = load_encoder(source)
    save_encoder(encoder, source, tmp_path / "out")

    assert load_encoder(tmp_path / "out").config == encoder.config
    batch = batch_for(encoder)
    np.testing.assert_allclose(
        transformers_logits(tmp_path / "out", encoder, batch),
        packed_answers(encoder, encoder, batch)[0],
        atol=1e-5,
    )


@pytest.mark.parametrize("changes", [{}, {"scoring_mode": "mean_norm"}])
def test_another_name_of_the_released_format_comes_back(tmp_path: Path, changes: Any) -> None:
    source = save_released(tmp_path / "source", "absolute_threshold", labels=3, **changes)
    edit_config(source, model_type="pibert")
    encoder = load_encoder(source, score_length=64)
    save_encoder(encoder, source, tmp_path / "out")
    assert load_encoder(tmp_path / "out").config == encoder.config


def test_weights_that_share_memory_come_back_each_with_its_own(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "source", "bert")
    file = source / "model.safetensors"
    state = load_file(file)
    for name in list(state):
        state[name] = state[name.replace("layer.1.", "layer.0.")]  # one tensor in two places
    torch.save(state, source / "pytorch_model.bin")
    file.unlink()

    encoder = load_encoder(source).requires_grad_(True)
    first, second = (encoder.layers[i].query.weight for i in (0, 1))
    assert torch.equal(first, second)
    save_encoder(encoder, source, tmp_path / "out")
    with torch.no_grad():
        first += 1
    found = load_encoder(tmp_path / "out").layers[0].query.weight
    assert torch.equal(second, found)
    assert not torch.equal(first, found)


def test_the_tokenizer_comes_along(bert_checkpoint: Path, tmp_path: Path) -> None:
    save_encoder(load_encoder(bert_checkpoint), bert_checkpoint, tmp_path / "out")
    for name in ("vocab.txt", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (bert_checkpoint / name).read_bytes()


@pytest.mark.parametrize("mode", ["topk", "absolute_threshold"])
def test_the_released_format_keeps_its_weights_and_gets_an_entry_for_the_policy(
    mode: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = checkpoint_of("ltp", mode)
    encoder = load_encoder(source)
    policy = replace(POLICY, layers=POLICY.layers[:1] * encoder.config.layers)
    save_encoder(encoder.with_policy(policy), source, tmp_path / "out")
    found = load_encoder(tmp_path / "out")
    assert found.config.policy == policy
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
