"""Which matrix products become the plugin's, with what of that which follows, and that they stay
right."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.runtime.engine import load
from tests.answers import assert_as_oracle, batch_for, oracle_answers
from tests.tiny import random_texts

LAYERS = 3


def nodes(bundle: Path, kind: str) -> list[str]:
    """The attributes of every node of a kind, as they stand in the model file."""
    engine = (bundle / "engine.xml").read_text()
    return re.findall(rf'type="{kind}"[^>]*>\s*(<data[^>]*>)?', engine)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hidden_act", "fused"),
    [
        ("gelu", "gelu"),
        ("silu", "none"),
        pytest.param("gelu_new", "gelu_tanh", marks=pytest.mark.full),
        pytest.param("relu", "relu", marks=pytest.mark.full),
    ],
)
def test_products_with_what_follows_them_become_linear_nodes(
    hidden_act: str,
    fused: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", "reference", hidden_act=hidden_act)
    bundle = bundle_of(checkpoint)
    activations = re.findall('activation="([a-z_]*)"', " ".join(nodes(bundle, "Linear")))
    # Four products a layer and the classifier's first; its last is too narrow.
    expected = Counter({"none": 3 * LAYERS + 1}) + Counter({fused: LAYERS})
    assert Counter(activations) == expected
    assert len(nodes(bundle, "MatMul")) == 1
    # Two norms a layer follow a product; the embeddings' one does not.
    epsilons = re.findall('epsilon="([^"]*)"', " ".join(nodes(bundle, "Linear")))
    assert sum(float(epsilon) > 0 for epsilon in epsilons) == 2 * LAYERS
    assert len(nodes(bundle, "MVN")) == 1

    encoder = load_encoder(checkpoint)
    assert_as_oracle(load(bundle), encoder, batch_for(encoder))


@pytest.mark.parametrize(("target", "isa"), [("cpu", ""), ("haswell", "avx2")])
def test_linear_nodes_have_the_targets_instruction_set(
    target: str, isa: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    linears = nodes(bundle_of(bert_checkpoint, target), "Linear")
    assert linears
    assert all(f'isa="{isa}"' in data for data in linears)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "haswell"])
def test_calibrated_int8_has_one_scale_a_product_and_near_answers(
    target: str, bert_checkpoint: Path, calibrated: Path, tmp_path: Path
) -> None:
    options = BuildOptions(target, "int8", survivors=True)
    build(bert_checkpoint, tmp_path / "out", options, Measured(calibration=calibrated))
    scales = re.findall('input_scale="([^"]*)"', (tmp_path / "out" / "engine.xml").read_text())
    assert len(set(scales)) == len(scales) == 4 * LAYERS + 1
    assert all(float(scale) > 0 for scale in scales)
    encoder = load_encoder(bert_checkpoint)
    batch = TransformersTokenizer(bert_checkpoint, encoder.config)(random_texts(100, seed=1))
    logits = load(tmp_path / "out").run(batch).logits
    expected = oracle_answers(encoder, batch)[0]
    assert 0 < np.abs(logits - expected).mean() < 0.2 * expected.std()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "haswell"])
def test_dynamic_int8_has_weights_of_bytes_and_near_answers(
    target: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", None)
    bundle = bundle_of(checkpoint, target, precision="int8-dynamic")
    types = re.findall('weights="([a-z0-9]*)"', (bundle / "engine.xml").read_text())
    assert types.count("i8") == 4 * LAYERS + 1
    size = (bundle / "engine.bin").stat().st_size
    assert size < (bundle_of(checkpoint, target) / "engine.bin").stat().st_size

    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    logits, expected = load(bundle).run(batch).logits, oracle_answers(encoder, batch)[0]
    difference = np.abs(logits - expected).max()
    assert 0 < difference < 0.05 * np.abs(expected).max()
