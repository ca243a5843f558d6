"""Weights are found under the names that wrappers leave, and never under two at once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import CheckpointError
from tests.released import save_released
from tests.tiny import ALL_FAMILIES


@pytest.fixture
def spoil(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> Callable[[str, Callable[[str], str]], Path]:
    """(family, new name of an old one) -> a tiny checkpoint whose weights are renamed."""

    def renamed(family: str, rename: Callable[[str], str]) -> Path:
        directory = shutil.copytree(checkpoint_of(family), tmp_path / family)
        edit(directory, lambda state: {rename(name): t for name, t in state.items()})
        return directory

    return renamed


def edit(directory: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> None:
    file = directory / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})


def same(directory: Path, original: Path) -> bool:
    found, expected = load_encoder(directory), load_encoder(original)
    assert found.config == expected.config
    return all(torch.equal(t, found.state_dict()[n]) for n, t in expected.state_dict().items())


BASE = {"distilbert": "distilbert.", "bert": "bert.", "electra": "electra.", "ibert": "ibert."}
BASE |= {"data2vec-text": "data2vec_text."}


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_encoders_prefix_may_be_missing(
    family: str, spoil: Callable, checkpoint_of: Callable[..., Path]
) -> None:
    prefix = BASE.get(family, "roberta.")
    directory = spoil(family, lambda name: name.removeprefix(prefix))
    assert not any(name.startswith(prefix) for name in load_file(directory / "model.safetensors"))
    assert same(directory, checkpoint_of(family))


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.{name}",
        lambda name: f"_orig_mod.module.{name}",
        lambda name: f"model.{name}",
        lambda name: f"base_model.model.{name}",
        lambda name: f"model.module.{name.removeprefix('bert.')}",
        lambda name: name.replace("bert.", "bert._orig_mod."),
        lambda name: name.replace("bert.encoder.", "bert.encoder._fsdp_wrapped_module."),
        lambda name: name.replace(".attention.", "._checkpoint_wrapped_module.attention."),
    ],
)
def test_names_of_wrappers_are_taken_out(
    rename: Callable[[str], str], spoil: Callable, checkpoint_of: Callable[..., Path]
) -> None:
    assert same(spoil("bert", rename), checkpoint_of("bert"))


def test_learned_thresholds_are_found_below_wrappers(tmp_path: Path) -> None:
    original = save_released(tmp_path / "original", "absolute_threshold")
    wrapped = shutil.copytree(original, tmp_path / "wrapped")
    state = torch.load(original / "pytorch_model.bin")
    torch.save(
        {f"module.{name.removeprefix('ibert.')}": t for name, t in state.items()},
        wrapped / "pytorch_model.bin",
    )
    assert same(wrapped, original)
    assert load_encoder(original).config.policy.prunes


@pytest.mark.parametrize("other", ["classifier.bias", "module.classifier.bias"])
def test_two_tensors_for_one_name_are_refused(spoil: Callable, other: str) -> None:
    directory = spoil("bert", lambda name: f"_orig_mod.{name}")
    edit(directory, lambda state: {**state, other: torch.zeros(2)})
    with pytest.raises(CheckpointError, match=f"classifier.bias twice, as .*{other}"):
        load_encoder(directory)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.default.weight",
        "base_model.model.classifier.modules_to_save.default.weight",
        "bert.encoder.layer.0.output.adapters.task.adapter_down.0.weight",
        "bert.encoder.layer.0.output.dense.base_layer.weight",
    ],
)
def test_an_adapter_among_the_weights_is_refused(spoil: Callable, name: str) -> None:
    directory = spoil("bert", str)
    edit(directory, lambda state: {**state, name: torch.zeros(4, 64)})
    with pytest.raises(CheckpointError, match=r"adapter that is not merged .*merge_and_unload"):
        load_encoder(directory)
