"""A model of unusual shape on every target: heads of 26 values, and layers that are all equal."""

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
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.runtime.engine import load
from ltp_deploy.runtime.result import Result, make_result
from tests.answers import as_lists, batch_for, oracle_answers, pruned_tokens
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


@pytest.fixture(scope="module")
def odd(checkpoint_of: Callable[..., Path]) -> Path:
    """Two heads of 26 values each, as TinyBERT has twelve."""
    return checkpoint_of("bert", "absolute", hidden_size=52, num_attention_heads=2)


@pytest.fixture(scope="module")
def unusual(odd: Path) -> Encoder:
    """Layer 1 has the very tensors of layer 0, layer 2 has copies of them."""
    encoder = load_encoder(odd)
    first, second, third = encoder.layers
    for name, module in first.named_modules():
        for key, value in module.named_parameters(recurse=False):
            setattr(second.get_submodule(name), key, value)
    third.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    return encoder


def answer(
    encoder: Encoder,
    options: BuildOptions,
    batch: PackedBatch,
    directory: Path,
    ranges: dict[str, ActivationRange] | None = None,
) -> Result:
    """What a new engine says, in its form for the CPU."""
    if options.target in PACKAGES:
        pytest.importorskip("onnxscript")
        pytest.importorskip(PACKAGES[options.target])
    compiled = portable(compile_engine(draft_encoder(encoder, options, ranges), directory))
    assert compiled is not None
    values = open_session(directory, compiled).run(batch.feeds(encoder.config))
    return make_result(values, batch, encoder.config, options.survivors)


@pytest.mark.parametrize("target", EXACT)
def test_float32_is_exact(target: str, unusual: Encoder, tmp_path: Path) -> None:
    batch = batch_for(unusual)
    logits, survivors = oracle_answers(unusual, batch)
    found = answer(unusual, BuildOptions(target, survivors=True), batch, tmp_path)
    np.testing.assert_allclose(found.logits, logits, atol=1e-5)
    assert as_lists(found.survivors) == survivors
    assert pruned_tokens(batch, survivors) > 0


@pytest.mark.parametrize(("target", "precision"), CLOSE)
def test_reduced_precisions_stay_close(
    target: str, precision: str, unusual: Encoder, tmp_path: Path
) -> None:
    batch = batch_for(unusual)
    logits, _ = oracle_answers(unusual, batch)
    options = BuildOptions(target, precision, compact="all", max_batch=8, portable=target == "t4")
    found = answer(unusual, options, batch, tmp_path).logits
    assert 0 < np.abs(found - logits).mean() < 0.1 * logits.std()


@pytest.mark.slow
def test_equal_layers_may_differ_in_precision(unusual: Encoder, tmp_path: Path) -> None:
    """Layer 1 is kept out of int8, and has the weights of those that are not."""
    depths = {"attention_output": 64, "intermediate": 52, "output": 96}
    names = {f"layers.{i}.{part}": d for i in range(LAYERS) for part, d in depths.items()}
    names |= {"head_dense": 52, **{f"layer_{i}_qkv": 52 for i in range(LAYERS)}}
    ranges = {name: ActivationRange(-4.0, 4.0, (1.0,) * depth) for name, depth in names.items()}
    options = BuildOptions("onnx", "int8", not_int8=(1,))
    batch = batch_for(unusual)
    logits, _ = oracle_answers(unusual, batch)
    found = answer(unusual, options, batch, tmp_path, ranges).logits
    assert 0 < np.abs(found - logits).mean() < 0.3 * logits.std()


@pytest.mark.slow
def test_padded_heads_are_calibrated(odd: Path, texts: Path, tmp_path: Path) -> None:
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
    batch = TransformersTokenizer(odd, encoder.config)(random_texts(32, seed=1))
    logits, _ = oracle_answers(encoder, batch)
    found = load(tmp_path / "out").run(batch).logits
    assert 0 < np.abs(found - logits).mean() < 0.25 * logits.std()
