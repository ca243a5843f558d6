"""What is measured, against PyTorch; and data or checkpoints from which nothing can be measured."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.artifact import Calibration
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.parity.oracle_run import run_oracle
from tests.tiny import LAYERS, save_tokenizer, tiny_model, write_texts


def test_every_linear_layer_has_a_range(calibrated: Path) -> None:
    names = set(Calibration.read(calibrated).ranges)
    expected = {f"layer_{i}_qkv" for i in range(LAYERS)} | {"head_dense", "head_output"}
    for part in ("attention_output", "intermediate", "output"):
        expected |= {f"layers.{i}.{part}" for i in range(LAYERS)}
    assert names == expected


def test_ranges_are_those_of_the_rows_that_survive(
    bert_checkpoint: Path, calibrated: Path, texts: Path
) -> None:
    encoder = load_encoder(bert_checkpoint)
    data = TransformersTokenizer(bert_checkpoint, encoder.config)(read_examples(str(texts)).texts)
    found = dict[str, list[np.ndarray]]()
    names = {f"layers.{i}.intermediate" for i in range(LAYERS)}
    for name, module in encoder.named_modules():
        if name in names:
            module.register_forward_hook(
                lambda _, inputs, __, name=name: found.setdefault(name, []).append(
                    inputs[0].numpy()
                )
            )
    with torch.no_grad():
        for i in range(data.sequences):
            feeds = data.select([i]).feeds(encoder.config).values()
            encoder(*(torch.from_numpy(value) for value in feeds))
    for name, given in Calibration.read(calibrated).ranges.items():
        if name in names:
            x = np.concatenate(found[name]) * np.array(given.smooth)
            # NNCF takes the mean of the texts' ends, and moves it so that zero is on the grid.
            assert 0.7 * x.min() > given.low > 1.02 * x.min()
            assert 0.7 * x.max() < given.high < 1.02 * x.max()
            columns = np.abs(x).max(0)
            assert columns.max() / np.median(columns) < 2.5, "smoothing makes columns alike"


def test_survivors_are_the_oracles(bert_checkpoint: Path, calibrated: Path, texts: Path) -> None:
    encoder = load_encoder(bert_checkpoint)
    data = TransformersTokenizer(bert_checkpoint, encoder.config)(read_examples(str(texts)).texts)
    profile = Calibration.read(calibrated).profile
    np.testing.assert_array_equal(profile.alive, run_oracle(encoder, data).profile.alive)


@pytest.mark.full
def test_samples_are_drawn_by_the_seed(bert_checkpoint: Path, texts: Path) -> None:
    first, second, other = (
        calibrate(bert_checkpoint, str(texts), samples=16, seed=seed) for seed in (0, 0, 1)
    )
    assert first.sample.count == len(first.profile.alive) == 16
    assert first.ranges == second.ranges
    assert first.ranges != other.ranges


def test_a_few_texts_are_too_few(bert_checkpoint: Path, tmp_path: Path) -> None:
    few = str(write_texts(tmp_path / "few.tsv", count=15))
    with pytest.raises(LtpError, match="15 texts to calibrate on: at least 16 are needed"):
        calibrate(bert_checkpoint, few)
    with pytest.raises(LtpError, match="8 texts"):
        calibrate(bert_checkpoint, str(write_texts(tmp_path / "many.tsv")), samples=8)


def changed_checkpoint(directory: Path, value: float, *names: str) -> Path:
    """A tiny BERT, some of whose parameters are this number everywhere."""
    model = tiny_model("bert")
    with torch.no_grad():
        for name in names:
            model.get_parameter(name).fill_(value)
    model.save_pretrained(directory)
    save_tokenizer(directory)
    return directory


@pytest.mark.slow
def test_an_activation_that_is_always_zero_keeps_its_layer_out_of_int8(
    texts: Path, tmp_path: Path
) -> None:
    norm = "bert.encoder.layer.1.attention.output.LayerNorm"
    model = changed_checkpoint(tmp_path / "model", 0.0, f"{norm}.weight", f"{norm}.bias")
    found, path = calibrate(model, str(texts)), tmp_path / "c.json"
    assert "layers.1.intermediate" not in found.ranges
    found.write(path)
    measured, output = Measured(calibration=path), tmp_path / "out"
    with pytest.raises(LtpError, match=r"no range for the input of layers\.1\.intermediate"):
        build(model, output, BuildOptions(precision="int8"), measured)
    assert not output.exists()
    build(model, output, BuildOptions(precision="int8", not_int8=(1,)), measured)


def test_logits_that_are_not_finite_are_refused(texts: Path, tmp_path: Path) -> None:
    directory = changed_checkpoint(tmp_path / "model", 3e38, "classifier.weight")
    with pytest.raises(LtpError, match="gives logits that are not finite on row"):
        calibrate(directory, str(texts))


def test_heads_that_the_kernels_do_not_hold_are_refused(
    texts: Path, checkpoint_of: Callable[..., Path]
) -> None:
    large = checkpoint_of("bert", "topk", hidden_size=264, num_attention_heads=1)
    with pytest.raises(LtpError, match="heads of 264 values: the CPU kernels take up to 256, and"):
        calibrate(large, str(texts))
