"""Models that answer with vectors, against sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import CheckpointError, LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from tests.embeddings import LENGTH, save_embedding, write
from tests.tiny import POLICIES, edit_config, random_texts

TEXTS = ["a very good film .", "dull", "the film " * 20, *random_texts(5, seed=2)]
KINDS: dict[str, dict[str, Any]] = {
    "mean": {},
    "first token": {"pooling": "cls"},
    "not normalised": {"normalize": False},
    "dense": {"dense": "Tanh"},
    "dense, no more": {"dense": "ReLU", "pooling": "cls", "normalize": False},
}


def vectors(checkpoint: Path, encoder: Encoder | None = None) -> np.ndarray:
    """What the oracle answers."""
    encoder = encoder or load_encoder(checkpoint)
    batch = TransformersTokenizer(checkpoint, encoder.config)(TEXTS)
    return run_oracle(encoder, batch).logits


def sentence_transformers(checkpoint: Path) -> np.ndarray:
    library = pytest.importorskip("sentence_transformers")
    return library.SentenceTransformer(str(checkpoint), device="cpu").encode(TEXTS)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "distilbert"])
def test_every_family_answers_as_in_sentence_transformers(family: str, tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", family)
    np.testing.assert_allclose(vectors(checkpoint), sentence_transformers(checkpoint), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_pipeline_answers_as_in_sentence_transformers(kind: str, tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", **KINDS[kind])
    expected = sentence_transformers(checkpoint)
    np.testing.assert_allclose(vectors(checkpoint), expected, atol=1e-5)
    assert load_encoder(checkpoint).config.num_labels == expected.shape[1]


def test_what_newer_versions_write_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    checkpoint = save_embedding(tmp_path / "model", dense="Tanh")
    library.SentenceTransformer(str(checkpoint), device="cpu").save(str(tmp_path / "newer"))
    modules = json.loads((tmp_path / "newer/modules.json").read_text())
    np.testing.assert_allclose(vectors(tmp_path / "newer"), vectors(checkpoint), atol=1e-6)
    assert all(".models." not in module["type"] for module in modules)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_the_same_one_for_both(kind: str, tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", **KINDS[kind])
    encoder = load_encoder(checkpoint)
    with torch.no_grad():
        encoder.layers[1].output.bias[0] += 2
        if encoder.head_dense is not None:
            encoder.head_dense.bias -= 0.5
    policy = PrunePolicy.from_config(POLICIES["relative"], encoder.config.layers)
    save_encoder(encoder.with_policy(policy), checkpoint, tmp_path / "new")
    found = load_encoder(tmp_path / "new")
    assert found.config.policy == policy
    np.testing.assert_array_equal(
        vectors(tmp_path / "new"), vectors(checkpoint, encoder.with_policy(policy))
    )
    dense = vectors(tmp_path / "new", found.with_policy(PrunePolicy.dense(3)))
    np.testing.assert_allclose(dense, sentence_transformers(tmp_path / "new"), atol=1e-5)
    assert np.abs(dense - vectors(checkpoint)).max() > 1e-2


def test_the_hash_covers_what_lies_beside_the_encoder(tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", dense="Tanh", prompts={})
    hashes = [checkpoint_hash(checkpoint)]
    for name in (
        "modules.json",
        "1_Pooling/config.json",
        "2_Dense/model.safetensors",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    ):
        with (checkpoint / name).open("ab") as file:
            file.write(b" ")
        hashes.append(checkpoint_hash(checkpoint))
    assert len(set(hashes)) == len(hashes)


def test_texts_are_cut_where_sentence_transformers_cuts_them(tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model")
    config = load_encoder(checkpoint).config
    assert TransformersTokenizer(checkpoint, config).max_length == LENGTH < config.max_length
    write(checkpoint / "sentence_bert_config.json", {"max_seq_length": "24"})
    with pytest.raises(LtpError, match="max_seq_length is '24', no number of tokens"):
        TransformersTokenizer(checkpoint, config)
    write(checkpoint / "sentence_bert_config.json", {"do_lower_case": True})
    TransformersTokenizer(checkpoint, config)
    write(
        checkpoint / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": False},
    )
    (checkpoint / "vocab.txt").write_text((checkpoint / "vocab.txt").read_text() + "A\n")
    with pytest.raises(LtpError, match="do_lower_case is not supported where the tokenizer tells"):
        TransformersTokenizer(checkpoint, config)


MODULE = "sentence_transformers.models."


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "pooling by max is not supported"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "mean"]}, "pooling by cls and mean is"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_sqrt_len_tokens": True},
            "pooling by pooling_mode_mean_sqrt_len_tokens is not",
        ),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "mean", "include_prompt": False},
            "include_prompt: false is not supported",
        ),
        ("1_Pooling/config.json", None, "is missing, and modules.json needs it"),
        ("modules.json", {}, "must be a list of modules"),
        (
            "modules.json",
            [{"type": "custom.Pooling", "path": ""}],
            "names custom.Pooling in '', which is none",
        ),
        (
            "modules.json",
            [{"type": f"{MODULE}Pooling", "path": "../other"}],
            r"names .* in '\.\./other', which is none",
        ),
        (
            "modules.json",
            [
                {"type": f"{MODULE}{kind}", "path": ""}
                for kind in ("Transformer", "Pooling", "LayerNorm")
            ],
            "lists Transformer, Pooling, LayerNorm; supported are",
        ),
        (
            "modules.json",
            [
                {"type": f"{MODULE}Transformer", "path": "0_Transformer"},
                {"type": f"{MODULE}Pooling", "path": "1_Pooling"},
            ],
            "the encoder lies in 0_Transformer; save the model with a newer",
        ),
        (
            "2_Dense/config.json",
            {"activation_function": "custom.Swirl"},
            "activation_function 'custom.Swirl' is not supported",
        ),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual is not supported"),
        (
            "2_Dense/config.json",
            {"module_output_name": "other"},
            "module_output_name 'other' is not supported",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": 1}},
            "prompts must be strings by name",
        ),
        (
            "config_sentence_transformers.json",
            {"prompts": {"query": "q: "}, "default_prompt_name": "other"},
            "default_prompt_name 'other' is none of the prompts, query",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    file: str, content: Any, message: str, tmp_path: Path
) -> None:
    checkpoint = save_embedding(tmp_path / "model", dense="Tanh")
    (checkpoint / file).unlink(missing_ok=True)
    if content is not None:
        write(checkpoint / file, content)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(checkpoint)


def test_a_mean_needs_the_first_token_to_stay(tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", ltp=POLICIES["relative"])
    with pytest.raises(CheckpointError, match="first_token 'reference' is for answers that are re"):
        load_encoder(checkpoint, first_token="reference")
    edit_config(checkpoint, ltp_pooling="last")
    with pytest.raises(CheckpointError, match="ltp_pooling must be frozen or survivors, found 'l"):
        load_encoder(checkpoint)
    first = save_embedding(tmp_path / "first", ltp=POLICIES["relative"], pooling="cls")
    assert load_encoder(first, first_token="reference").config.reads_first


def test_a_bare_encoder_without_modules_is_refused(tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model")
    (checkpoint / "modules.json").unlink()
    with pytest.raises(CheckpointError, match=r"an embedding model has the modules\.json of"):
        load_encoder(checkpoint)
