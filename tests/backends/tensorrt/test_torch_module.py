"""Bundles as PyTorch modules: what needs no GPU."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ltp_deploy.backends.tensorrt.torch_module import device_position_ids, wrap
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError
from tests.answers import batch_for
from tests.tiny import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_positions_on_the_device_are_those_of_the_runtime(
    family: str, checkpoint_of: Callable[..., Path]
) -> None:
    config = load_encoder(checkpoint_of(family, "topk")).config
    batch = batch_for(load_encoder(checkpoint_of(family, "topk")))
    batch.input_ids[[3, 7, 8]] = config.pad_token_id
    found = device_position_ids(torch.tensor(batch.input_ids), torch.tensor(batch.offsets), config)
    assert found.dtype == torch.int32
    assert found.tolist() == batch.position_ids(config).tolist()


def test_other_backends_are_refused(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> None:
    with pytest.raises(
        BundleError, match=r"was built for torchscript, .* build it with --target t4"
    ):
        wrap(bundle_of(bert_checkpoint, "torchscript"))


def test_a_model_that_tensorrt_cannot_hold_is_not_sent_there(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    large = checkpoint_of("bert", "topk", hidden_size=132, num_attention_heads=1)
    with pytest.raises(BundleError, match="alone: heads of 132 values: the CUDA kernels take up"):
        wrap(bundle_of(large, "null"))


@pytest.mark.full
def test_where_torch_tensorrt_is_missing_it_is_named(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    bundle = bundle_of(bert_checkpoint, "t4", compact="all", survivors=False)

    class Broken:
        """As torch_tensorrt without its libraries: it raises whatever it likes."""

        def find_spec(self, name: str, *others: object) -> None:
            if name == "torch_tensorrt":
                raise Exception("no libnvinfer")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(
        BundleError, match=r"Torch-TensorRT cannot be imported; .*pip install .*\[torch-tensorrt\]"
    ):
        wrap(bundle)
