"""Models of unusual shape, on every target: heads of 26 values, and layers that are all equal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.table import open_session, portable
from ltp_deploy.builder.build import build, compile_engine
from ltp_deploy.builder.draft import Measured, draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.artifact import Calibration
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import load
from tests.answers import assert_as_oracle, batch_for, oracle_answers
from tests.tiny import LAYERS, random_texts

EXACT = ("null", "torchscript", "cpu", "haswell", pytest.param("onnx", marks=pytest.mark.slow))
CLOSE = [
    ("cpu", "bf16"),
    ("cpu", "int8-dynamic"),
    ("haswell", "int8-dynamic"),
    ("torch-cuda", "fp16"),
    pytest.param("t4", "fp16", marks=pytest.mark.slow),
]

PACKAGES = {"onnx": "onnxruntime", "t4": "tensorrt_rtx"}  # which not every machine has


def skip_without_packages(target: str) -> None:
    if target in PACKAGES:
        pytest.importorskip("onnxscript")
        pytest.importorskip(PACKAGES[target])


@pytest.fixture(scope="module")
def odd(checkpoint_of: Callable[..., Path]) -> Path:
    """Two heads of 26 values each, as TinyBERT has twelve."""
    return checkpoint_of("bert", "absolute", hidden_size=52, num_attention_heads=2)


@pytest.mark.parametrize("target", EXACT)
def test_heads_of_26_values_are_exact(
    target: str, odd: Path, bundle_of: Callable[..., Path]
) -> None:
    skip_without_packages(target)
    encoder = load_encoder(odd)
    assert_as_oracle(load(bundle_of(odd, target)), encoder, batch_for(encoder))


@pytest.mark.parametrize(("target", "precision"), CLOSE)
def test_heads_of_26_values_are_close_in_reduced_precisions(
    target: str, precision: str, odd: Path, tmp_path: Path
) -> None:
    skip_without_packages(target)
    encoder = load_encoder(odd)
    batch = batch_for(encoder)
    options = BuildOptions(target, precision, portable=target == "t4")
    manifest = build(odd, tmp_path / "out", options)
    assert manifest.parity is not None
    engine = load(tmp_path / "out", portable=True)
    expected = oracle_answers(encoder, batch)[0]
    assert 0 < np.abs(engine.run(batch).logits - expected).mean() < 0.1 * expected.std()


@pytest.mark.slow
def test_heads_of_26_values_are_calibrated(odd: Path, texts: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    calibrate(odd, str(texts)).write(tmp_path / "calibration.json")
    ranges = Calibration.read(tmp_path / "calibration.json").ranges
    for layer in range(LAYERS):
        factors = np.array(ranges[f"layers.{layer}.attention_output"].smooth)
        assert len(factors) == 64
        # Columns that hold nothing do not stand out.
        assert factors.max() < 100 * np.median(factors)
    measured = Measured(calibration=tmp_path / "calibration.json")
    build(odd, tmp_path / "out", BuildOptions("cpu", "int8"), measured)
    encoder = load_encoder(odd)
    batch = Tokenizer(odd, encoder.config)(random_texts(32, seed=1))
    expected = oracle_answers(encoder, batch)[0]
    found = load(tmp_path / "out").run(batch).logits
    assert 0 < np.abs(found - expected).mean() < 0.25 * expected.std()


@pytest.fixture(scope="module")
def equal(bert_checkpoint: Path) -> Encoder:
    """Layer 1 has the very tensors of layer 0, layer 2 has copies of them."""
    encoder = load_encoder(bert_checkpoint)
    first, second, third = encoder.layers
    for name, module in first.named_modules():
        for key, value in module.named_parameters(recurse=False):
            setattr(second.get_submodule(name), key, value)
    third.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    return encoder


@pytest.mark.parametrize("target", [*EXACT, "torch-cuda"])
def test_layers_that_are_all_equal_are_exact(target: str, equal: Encoder, tmp_path: Path) -> None:
    skip_without_packages(target)
    draft = draft_encoder(equal, BuildOptions(target, max_batch=8))
    compiled = portable(compile_engine(draft, tmp_path))
    assert compiled is not None
    batch = batch_for(equal)
    found = open_session(tmp_path, compiled).run(batch.feeds(equal.config))["logits"]
    near = 0.02 if compiled.precision == "fp16" else 1e-4
    np.testing.assert_allclose(found, oracle_answers(equal, batch)[0], atol=near)


@pytest.mark.slow
def test_equal_layers_may_differ_in_precision(equal: Encoder, tmp_path: Path) -> None:
    """The weights of layer 1 are those that the other layers have in int8."""
    skip_without_packages("onnx")
    depths = {"attention_output": 64, "intermediate": 64, "output": 96}
    names = {f"layers.{i}.{part}": d for i in range(LAYERS) for part, d in depths.items()}
    names |= {"head_dense": 64, **{f"layer_{i}_qkv": 64 for i in range(LAYERS)}}
    ranges = {name: ActivationRange(-4.0, 4.0, (1.0,) * depth) for name, depth in names.items()}
    options = BuildOptions("onnx", "int8", not_int8=(1,))
    compiled = compile_engine(draft_encoder(equal, options, ranges), tmp_path)
    batch = batch_for(equal)
    found = open_session(tmp_path, compiled).run(batch.feeds(equal.config))["logits"]
    expected = oracle_answers(equal, batch)[0]
    assert 0 < np.abs(found - expected).mean() < 0.3 * expected.std()
