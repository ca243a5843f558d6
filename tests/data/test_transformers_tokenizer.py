"""A checkpoint's own tokenizer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.transformers_tokenizer import (
    TransformersTokenizer,
    copy_tokenizer,
    has_tokenizer,
)
from ltp_deploy.errors import LtpError
from tests.tiny import save_tiny, save_tokenizer


def test_pairs_work_where_the_family_has_no_token_types(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "distilbert")
    save_tokenizer(checkpoint)
    tokenizer = TransformersTokenizer(checkpoint, load_encoder(checkpoint).config)
    batch = tokenizer([("a film", "very good")])
    assert batch.lengths.tolist() == [7]
    assert not batch.token_type_ids.any()


def test_texts_are_cut_at_the_shortest_maximum_and_end_as_they_should(tmp_path: Path) -> None:
    """Of the model (40 tokens), the tokenizer and whoever asks."""
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    save_tokenizer(checkpoint)
    config, text = load_encoder(checkpoint).config, "the film is good " * 20
    settings = {"tokenizer_class": "BertTokenizer", "model_max_length": 20}
    assert TransformersTokenizer(checkpoint, config)([text]).lengths.tolist() == [40]
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(settings))
    assert TransformersTokenizer(checkpoint, config)([text]).lengths.tolist() == [20]
    cut = TransformersTokenizer(checkpoint, config, 6)([text, ("the film is", text)])
    assert cut.lengths.tolist() == [6, 6]
    sep = 3
    assert cut.input_ids[[5, 11]].tolist() == [sep, sep]
    assert cut.token_type_ids[6:].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("content", ["{}", "{"])
def test_a_tokenizer_that_cannot_be_loaded_is_refused(content: str, tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    (checkpoint / "tokenizer.json").write_text(content)
    with pytest.raises(LtpError, match="cannot load the tokenizer"):
        TransformersTokenizer(checkpoint, load_encoder(checkpoint).config)


def test_code_that_comes_with_a_checkpoint_never_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    config = load_encoder(checkpoint).config
    save_tokenizer(checkpoint)
    ran = tmp_path / "ran"
    (checkpoint / "custom.py").write_text(
        f"open({str(ran)!r}, 'w').close()\n"
        "from transformers import BertTokenizerFast\n"
        "class Custom(BertTokenizerFast): pass\n"
    )
    (checkpoint / "config.json").write_text('{"model_type": "ltp"}')  # unknown to transformers
    (checkpoint / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["custom.Custom"] * 2}})
    )
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # whatever transformers may ask
    with pytest.raises(LtpError, match=r"names code of its own, .*custom\.Custom"):
        TransformersTokenizer(checkpoint, config)
    assert not ran.exists()


def test_files_of_a_tokenizer_are_copied_and_no_others(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "roberta")
    assert not has_tokenizer(checkpoint)
    (checkpoint / "vocab.txt").write_text("the</w> 1\n")
    (checkpoint / "bpe.codes").write_text("t h 5\n")
    (checkpoint / "notes.txt").write_text("mine")
    (checkpoint / "tokenizer.model").write_text("of another tokenizer")
    (checkpoint / "tokenizer_config.json").write_text('{"tokenizer_class": "BertweetTokenizer"}')
    assert has_tokenizer(checkpoint)
    (tmp_path / "copy").mkdir()
    copy_tokenizer(checkpoint, tmp_path / "copy")
    found = {path.name for path in (tmp_path / "copy").iterdir()}
    assert found == {"vocab.txt", "bpe.codes", "tokenizer_config.json", "tokenizer.model"}


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    with pytest.raises(LtpError, match="checkpoint has no tokenizer to read texts with"):
        TransformersTokenizer(checkpoint, load_encoder(checkpoint).config)


def test_a_tokenizer_in_python_needs_transformers(
    bert_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_encoder(bert_checkpoint).config
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LtpError, match=r"needs transformers: pip install .*\[python-tokenizers\]"):
        TransformersTokenizer(bert_checkpoint, config)
