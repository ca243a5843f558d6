"""What a target cannot hold is refused before anything is compiled, with targets that can."""

import platform
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ltp_deploy.builder.draft import Measured, choose_limits, draft_build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.targets import TARGETS
from tests.model.problems import tiny_encoder
from tests.tiny import save_tiny

DENSE = PrunePolicy.dense(1)
ANY = "onnx or torchscript"


@pytest.mark.parametrize(
    ("size", "target", "options", "message"),
    [
        (
            129,
            "t4",
            {},
            f"CUDA kernels take up to 128; build it with --target cpu or haswell or {ANY}",
        ),
        (136, "torch-cuda", {}, f"up to 128; build it with --target cpu or haswell or {ANY}"),
        (257, "cpu", {}, f"the CPU kernels take up to 256; build it with --target {ANY}"),
        (257, "haswell", {}, f"up to 256; build it with --target {ANY}"),
        # Those that take the same options, and no others.
        (129, "t4", {"precision": "fp16"}, "up to 128; build it with --target onnx"),
        (129, "t4", {"precision": "int8"}, "build it with --target cpu or haswell or onnx"),
        (129, "torch-cuda", {"compact": "bounded"}, f"up to 128; build it with --target {ANY}"),
        (129, "t4", {"portable": True}, "no target can build it with these options"),
        (257, "cpu", {"precision": "bf16"}, "no target can build it with these options"),
        (257, "onnx", {"precision": "int8"}, "no target can build it with these options"),
    ],
)
def test_heads_that_kernels_do_not_hold_are_refused_with_targets_that_do(
    size: int, target: str, options: dict[str, Any], message: str
) -> None:
    encoder = tiny_encoder(DENSE, heads=1, hidden_size=size)
    with pytest.raises(LtpError, match=rf"^heads of {size} values: .*{re.escape(message)}$"):
        choose_limits(encoder, BuildOptions(target, **options))


def test_avx2_is_refused_on_arm_with_targets_that_are_built_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    encoder = tiny_encoder(DENSE)
    with pytest.raises(LtpError, match="avx2, which aarch64 CPUs do not have; build it with") as e:
        choose_limits(encoder, BuildOptions("haswell"))
    assert str(e.value).endswith("--target cpu or t4 or torch-cuda or onnx or torchscript")
    assert choose_limits(encoder, BuildOptions("cpu")).max_length == 20


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("size", [1, 26, 121, 128])
def test_heads_of_every_smaller_size_are_taken(target: str, size: int) -> None:
    encoder = tiny_encoder(DENSE, heads=2, hidden_size=2 * size)
    assert choose_limits(encoder, BuildOptions(target)).max_length == 20


def test_more_heads_than_a_grid_has_are_refused() -> None:
    with torch.device("meta"):
        encoder = Encoder(replace(tiny_encoder(DENSE).config, heads=65536, hidden_size=65536))
    with pytest.raises(LtpError, match=r"^65536 heads: the CUDA kernels take up to 65535; build"):
        choose_limits(encoder, BuildOptions("t4"))


def test_layers_that_are_too_wide_for_int8_are_refused() -> None:
    encoder = tiny_encoder(DENSE, intermediate_size=65537)
    choose_limits(encoder, BuildOptions("cpu"))
    with pytest.raises(
        LtpError,
        match=r"^layers of 65537 columns: in int8 the CPU kernels take up to 65536; no target can",
    ):
        choose_limits(encoder, BuildOptions("cpu", "int8-dynamic"))


def test_a_model_that_int8_cannot_hold_is_asked_for_no_calibration(tmp_path: Path) -> None:
    model = save_tiny(
        tmp_path, "bert", num_hidden_layers=1, intermediate_size=65537, hidden_size=4,
        num_attention_heads=1,
    )  # fmt: skip
    with pytest.raises(LtpError, match=r"^layers of 65537 columns: in int8 .* --target t4 or onnx"):
        draft_build(model, BuildOptions("cpu", "int8"), Measured())


@pytest.mark.parametrize(("target", "dynamic"), [("cpu", "; int8-dynamic needs none"), ("t4", "")])
def test_int8_needs_a_calibration(target: str, dynamic: str, bert_checkpoint: Path) -> None:
    with pytest.raises(LtpError, match=f"which `ltp-deploy calibrate` writes{dynamic}$"):
        draft_build(bert_checkpoint, BuildOptions(target, "int8"), Measured())
