"""The dense baseline is the same model without pruning, in OpenVINO's fused form."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import convert, open_dense
from ltp_deploy.benchmark.runner import padded_feeds
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.batch import pack
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from tests.tiny import FAMILIES, LAYERS, edit_config

BATCH = pack([[2, 7, 9, 4, 5, 3], [2, 8, 3], [2, 30, 31, 32, 3]])


def without_pruning(encoder: Encoder) -> np.ndarray:
    policy = PrunePolicy.dense(encoder.config.layers)
    return run_oracle(encoder.with_policy(policy), BATCH).logits


def assert_answers_as_the_oracle(checkpoint: Path) -> None:
    encoder = load_encoder(checkpoint)
    model = dense_model(checkpoint, encoder)
    feeds = padded_feeds(BATCH, encoder.config)
    with torch.inference_mode():
        found = model(*(torch.from_numpy(feeds[name]) for name in model.inputs)).numpy()
    np.testing.assert_allclose(found, without_pruning(encoder), atol=2e-5)


@pytest.mark.parametrize(
    ("family", "policy"), [("ltp", "absolute_threshold")] + [(f, "absolute") for f in FAMILIES]
)
def test_it_answers_as_the_oracle_without_pruning(
    checkpoint_of: Callable[..., Path], family: str, policy: str
):
    assert_answers_as_the_oracle(checkpoint_of(family, policy))


def test_it_has_the_checkpoints_weights_where_transformers_does_not_find_them(
    checkpoint_of: Callable[..., Path], tmp_path: Path
):
    checkpoint = shutil.copytree(checkpoint_of("bert", labels=3), tmp_path / "wrapped")
    file = checkpoint / "model.safetensors"
    save_file({f"module.{name}": t for name, t in load_file(file).items()}, file)
    edit_config(checkpoint, id2label=None, label2id=None)
    assert_answers_as_the_oracle(checkpoint)


@pytest.fixture(scope="module")
def converted(bert_checkpoint: Path) -> Any:
    return convert(dense_model(bert_checkpoint, load_encoder(bert_checkpoint)))


@pytest.mark.slow
def test_openvino_fuses_attention(converted: Any, bert_checkpoint: Path):
    types = [node.get_type_name() for node in converted.get_ops()]
    assert types.count("ScaledDotProductAttention") == LAYERS
    assert "Softmax" not in types

    encoder = load_encoder(bert_checkpoint)
    found = open_dense(converted, "f32").run(padded_feeds(BATCH, encoder.config))
    np.testing.assert_allclose(found["logits"], without_pruning(encoder), atol=2e-5)


@pytest.mark.slow
def test_a_fixed_shape_leaves_the_converted_model_free(converted: Any):
    fixed = open_dense(converted, "f32", shape=(3, 6))
    assert [list(port.shape) for port in fixed.compiled.inputs] == [[3, 6]] * 3
    assert all(port.partial_shape.is_dynamic for port in converted.inputs)
