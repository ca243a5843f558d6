"""Every family, loaded without pruning, is transformers' own model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.encoder import Encoder
from tests.answers import batch_for, oracle_answers, packed_answers
from tests.released import save_released
from tests.tiny import ALL_FAMILIES, edit_config, save_tiny


@torch.inference_mode()
def transformers_logits(checkpoint: Path, encoder: Encoder, batch: PackedBatch) -> np.ndarray:
    """What transformers answers on the padded batch."""
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    ids, types, mask = (torch.from_numpy(a) for a in batch.padded(encoder.config.pad_token_id))
    extra = {"token_type_ids": types} if encoder.config.type_vocab_size else {}
    return model(input_ids=ids, attention_mask=mask.long(), **extra).logits.numpy()


README = Path(__file__).parents[2] / "README.md"
# Their positions are counted from the padding token's.
COUNTING = ("roberta", "xlm-roberta", "camembert", "data2vec-text", "ibert")


def test_every_family_is_tested_and_documented() -> None:
    assert {*ALL_FAMILIES, "ltp", "pibert"} == set(FAMILIES)
    text = README.read_text()
    assert [name for name in FAMILIES if f"`{name}`" not in text] == []


def assert_is_transformers(checkpoint: Path) -> Encoder:
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    expected = transformers_logits(checkpoint, encoder, batch)
    assert np.ptp(expected, axis=0).min() > 0.1  # the model does tell sequences apart
    np.testing.assert_allclose(packed_answers(encoder, encoder, batch)[0], expected, atol=1e-5)
    np.testing.assert_allclose(oracle_answers(encoder, batch)[0], expected, atol=1e-5)
    return encoder


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_dense_logits_are_those_of_transformers(
    family: str, labels: int, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = assert_is_transformers(checkpoint_of(family, labels=labels))
    assert encoder.config.num_labels == labels
    assert not encoder.config.policy.prunes


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("bert", {"hidden_act": "gelu_new"}),
        ("bert", {"hidden_act": "relu"}),
        ("bert", {"hidden_act": "gelu_python"}),
        ("bert", {"hidden_act": "gelu_python_tanh"}),
        ("bert", {"hidden_act": "gelu_fast"}),
        ("bert", {"hidden_act": "gelu_accurate"}),
        ("bert", {"layer_norm_eps": 0.1}),
        ("electra", {"embedding_size": 64}),
        ("roberta", {"type_vocab_size": 2}),
        ("distilbert", {"activation": "relu"}),
        ("data2vec-text", {"type_vocab_size": 2}),
        ("camembert", {"hidden_act": "gelu_new"}),
    ],
)
def test_settings_of_the_config_are_honoured(family: str, changes: dict, tmp_path: Path) -> None:
    assert_is_transformers(save_tiny(tmp_path, family, **changes))


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_the_longest_sequence_is_what_the_position_table_allows(
    family: str, checkpoint_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(checkpoint_of(family))
    longest = encoder.config.max_length
    assert longest == (38 if family in COUNTING else 40)
    logits, _ = packed_answers(encoder, encoder, batch_for(encoder, [longest]))
    assert np.isfinite(logits).all()


def test_padding_tokens_inside_a_roberta_sequence_take_no_position(
    checkpoint_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("roberta")
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder, [6, 4])
    batch.input_ids[[2, 3, 8]] = encoder.config.pad_token_id
    expected = transformers_logits(checkpoint, encoder, batch)
    np.testing.assert_allclose(packed_answers(encoder, encoder, batch)[0], expected, atol=1e-5)
    np.testing.assert_allclose(oracle_answers(encoder, batch)[0], expected, atol=1e-5)


def test_i_bert_without_quantization_is_the_released_format_without_pruning(
    tmp_path: Path,
) -> None:
    save_released(tmp_path, None)
    expected = load_encoder(tmp_path)
    edit_config(tmp_path, model_type="ibert")
    found = load_encoder(tmp_path)
    assert found.config.family == "ibert"
    assert_same_weights(found.state_dict(), expected.state_dict())


def test_position_ids_among_the_weights_are_no_weights(tmp_path: Path) -> None:
    file = save_tiny(tmp_path, "bert") / "model.safetensors"
    ids = torch.arange(40)[None]
    save_file({**load_file(file), "bert.embeddings.position_ids": ids}, file)
    assert_is_transformers(tmp_path)


def test_gamma_and_beta_are_read_as_weight_and_bias(tmp_path: Path) -> None:
    expected = load_encoder(save_tiny(tmp_path, "bert")).state_dict()
    file = tmp_path / "model.safetensors"
    state = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(file).items()
    }
    assert any(name.endswith("gamma") for name in state)
    save_file(state, file)
    assert_same_weights(load_encoder(tmp_path).state_dict(), expected)


def test_sharded_weights_are_the_same_model(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = load_encoder(save_tiny(whole, "electra")).state_dict()
    model = AutoModelForSequenceClassification.from_pretrained(whole)
    model.save_pretrained(parts, max_shard_size="100KB")
    assert len(list(parts.glob("*.safetensors"))) > 1
    assert_same_weights(load_encoder(parts).state_dict(), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_are_computed_in_float32(tmp_path: Path, dtype) -> None:
    file = save_tiny(tmp_path, "bert") / "model.safetensors"
    save_file({name: t.to(dtype) for name, t in load_file(file).items()}, file)
    encoder = load_encoder(tmp_path)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_pytorch_model_bin_is_the_same_model(tmp_path: Path) -> None:
    expected = load_encoder(save_tiny(tmp_path, "distilbert")).state_dict()
    file = tmp_path / "model.safetensors"
    torch.save(load_file(file), tmp_path / "pytorch_model.bin")
    file.unlink()
    assert_same_weights(load_encoder(tmp_path).state_dict(), expected)


def test_the_released_format_counts_its_labels_by_the_classifier(tmp_path: Path) -> None:
    config = load_encoder(save_released(tmp_path, None, labels=3)).config
    assert (config.num_labels, config.labels) == (3, ())


@pytest.mark.parametrize("padding", [None, -1])
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_a_missing_padding_token_is_no_obstacle_where_positions_do_not_count_it(
    family: str, padding: int | None, tmp_path: Path
) -> None:
    assert_is_transformers(save_tiny(tmp_path, family, pad_token_id=padding))


def assert_same_weights(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
