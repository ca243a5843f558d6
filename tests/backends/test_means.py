"""Answers that are means over tokens, pruned, on every backend that computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.calibrate import calibrate
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.runtime.engine import load
from ltp_deploy.tune.evaluate import answers
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import POLICIES, random_texts, write_texts

TEXTS = ["the", *random_texts(12, seed=4)]
EXACT = ["null", "torchscript", "cpu", "haswell", pytest.param("onnx", marks=pytest.mark.slow)]
POLICY_NAMES = ["absolute", "relative", "topk", "mixed"]

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def made(once: Once) -> Make:
    """(policy, pooling) -> a tiny BERT with a mean over tokens, a linear layer and unit length."""

    def find(policy: str, pooling: str) -> Path:
        def make(directory: Path) -> None:
            ltp = POLICIES[policy]
            save_embedding(directory, ltp=ltp, dense="Tanh", ltp_pooling=pooling)

        return once(make, f"mean-{policy}", policy, pooling)

    return find


@pytest.mark.parametrize("pooling", ["frozen", "survivors"])
@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_packed_and_padded_encoders_are_the_oracle(policy: str, pooling: str, made: Make) -> None:
    encoder, batch = opened(made(policy, pooling))
    oracle = run_oracle(encoder, batch).logits
    feeds = batch.feeds(encoder.config)
    names = ("input_ids", "position_ids", "token_type_ids", "offsets")
    packed, *_ = encoder(*(torch.from_numpy(feeds[name]) for name in names))
    np.testing.assert_allclose(packed.numpy(), oracle, atol=1e-5)
    np.testing.assert_allclose(answers(encoder, batch)[0], oracle, atol=1e-5)


def test_what_a_pruned_token_adds_to_the_mean(made: Make) -> None:
    """Survivors' states alone, or also what entered the layer that pruned the others."""
    encoder, batch = opened(made("topk", "frozen"))
    one = batch.select([5])
    states, alive, held = [], [np.arange(len(one.input_ids))], []
    for layer in encoder.layers:
        layer.register_forward_pre_hook(lambda _, given: states.append(given[0].numpy()))
        layer.register_forward_hook(lambda _, given, found: states.append(found[0].numpy()))
        layer.register_forward_hook(lambda _, given, found: alive.append(found[1].numpy()))
    feeds = one.feeds(encoder.config)
    names = ("input_ids", "position_ids", "token_type_ids", "offsets")
    found, *_ = encoder(*(torch.from_numpy(feeds[name]) for name in names))
    for i in range(len(encoder.layers)):
        held += [row for j, row in enumerate(states[2 * i]) if j not in alive[i + 1]]
    every = np.array([*held, *states[-1]])
    assert 0 < len(held) < len(every) == len(one.input_ids)
    np.testing.assert_allclose(found[0], answer(encoder, every.mean(0)), atol=1e-6)
    embedding = replace(encoder.config.embedding, pooling="survivors")
    encoder.config = replace(encoder.config, embedding=embedding)
    found, *_ = encoder(*(torch.from_numpy(feeds[name]) for name in names))
    np.testing.assert_allclose(found[0], answer(encoder, states[-1].mean(0)), atol=1e-6)


def answer(encoder: Encoder, pooled: np.ndarray) -> np.ndarray:
    vector = np.tanh(encoder.head_dense.weight.numpy() @ pooled + encoder.head_dense.bias.numpy())
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("pooling", ["frozen", "survivors"])
@pytest.mark.parametrize("policy", ["absolute", "topk"])
@pytest.mark.parametrize("target", EXACT)
def test_engines_in_float32_are_exact(
    target: str, policy: str, pooling: str, made: Make, bundle_of: Callable[..., Path]
) -> None:
    if target == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    checkpoint = made(policy, pooling)
    encoder, batch = opened(checkpoint)
    engine = load(bundle_of(checkpoint, target))
    oracle = run_oracle(encoder, batch)
    found = engine.run(batch)
    np.testing.assert_allclose(found.logits, oracle.logits, atol=1e-5)
    assert found.survivors is not None
    last = [len(layers[-1]) for layers in found.survivors]
    assert last == oracle.survivors[:, -1].sum(1).tolist()
    assert sum(last) < len(batch.input_ids)
    assert load(bundle_of(checkpoint, target, survivors=False)).run(batch).logits.shape == (13, 12)


def test_an_answer_does_not_depend_on_its_batch(made: Make, bundle_of: Callable[..., Path]) -> None:
    checkpoint = made("absolute", "frozen")
    _, batch = opened(checkpoint)
    engine = load(bundle_of(checkpoint, survivors=False))
    together = engine.run(batch).logits
    for i in range(batch.sequences):
        np.testing.assert_array_equal(engine.run(batch.select([i])).logits[0], together[i])


@pytest.mark.parametrize("precision", ["bf16", "int8-dynamic", "int8"])
def test_engines_in_reduced_precision_are_close(precision: str, made: Make, tmp_path: Path) -> None:
    checkpoint = made("absolute", "frozen")
    encoder, batch = opened(checkpoint)
    measured = Measured()
    if precision == "int8":
        pytest.importorskip("nncf")
        file = tmp_path / "calibration.json"
        calibrate(checkpoint, str(write_texts(tmp_path / "texts.tsv"))).write(file)
        measured = Measured(calibration=file)
    build(checkpoint, tmp_path / "engine", BuildOptions("cpu", precision=precision), measured)
    found = load(tmp_path / "engine").run(batch).logits
    cosines = (found * run_oracle(encoder, batch).logits).sum(1)
    assert np.median(cosines) > 0.99


def test_a_mean_on_a_gpu_is_refused(made: Make, tmp_path: Path) -> None:
    for target in ("t4", "torch-cuda"):
        with pytest.raises(LtpError, match=r"its answer is a mean over tokens, .*--target cpu"):
            build(made("absolute", "frozen"), tmp_path / "engine", BuildOptions(target))


@pytest.mark.parametrize("compact", ["none", "0,1", "bounded"])
def test_layers_that_prune_must_compact(compact: str, made: Make, tmp_path: Path) -> None:
    options = BuildOptions("onnx", compact=compact)
    with pytest.raises(LtpError, match=f"--compact {compact}: a mean over tokens counts the rows"):
        build(made("absolute", "frozen"), tmp_path / "engine", options)


def opened(checkpoint: Path) -> tuple[Encoder, ...]:
    """The encoder and the texts as it reads them."""
    encoder = load_encoder(checkpoint)
    tokenizer: Tokenizer = TransformersTokenizer(checkpoint, encoder.config)
    return encoder, tokenizer(TEXTS)
