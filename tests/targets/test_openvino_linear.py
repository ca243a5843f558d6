"""Which matrix products become the plugin's, with which activations, and that they stay right."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.runtime.engine import load
from tests.answers import assert_as_oracle, batch_for

LAYERS = 3


def nodes(bundle: Path, kind: str) -> list[str]:
    """The attributes of every node of a kind, as they stand in the model file."""
    engine = (bundle / "engine.xml").read_text()
    return re.findall(rf'type="{kind}"[^>]*>\s*(<data[^>]*>)?', engine)


@pytest.mark.parametrize(
    ("hidden_act", "fused"),
    [("gelu", "gelu"), ("gelu_new", "gelu_tanh"), ("relu", "relu"), ("silu", "none")],
)
def test_products_and_activations_are_ours(
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

    encoder = load_encoder(checkpoint)
    assert_as_oracle(load(bundle), encoder, batch_for(encoder))


@pytest.mark.parametrize(("target", "isa"), [("cpu", ""), ("haswell", "avx2")])
def test_they_keep_to_the_targets_instruction_set(
    target: str, isa: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    linears = nodes(bundle_of(bert_checkpoint, target), "Linear")
    assert linears
    assert all(f'isa="{isa}"' in data for data in linears)
