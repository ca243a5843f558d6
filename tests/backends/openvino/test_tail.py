"""Embedding engines compute their layers in bf16 to the end, and pool in f32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import load
from tests.embeddings import save_embedding
from tests.tiny import random_texts

TEXTS = random_texts(8, seed=9)


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8-dynamic"])
@pytest.mark.parametrize("kind", ["cls", "mean", "dense"])
def test_a_product_ends_the_layers_where_none_follows(
    kind: str, precision: str, tmp_path: Path
) -> None:
    pooling, dense = ("mean", "Tanh") if kind == "dense" else (kind, None)
    checkpoint = save_embedding(tmp_path / "model", pooling=pooling, dense=dense)
    build(checkpoint, tmp_path / "engine", BuildOptions("cpu", precision=precision))
    graph = (tmp_path / "engine" / "engine.xml").read_text()
    engine = load(tmp_path / "engine")
    ended = kind != "dense" and engine.manifest.activations == "bf16"
    assert ('name="pooled_states"' in graph) == ended
    encoder = load_encoder(checkpoint)
    batch = TransformersTokenizer(checkpoint, encoder.config)(TEXTS)
    found = engine.run(batch).logits
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert ((found * run_oracle(encoder, batch).logits).sum(1) > 0.98).all()
