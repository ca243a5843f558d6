"""The checkpoint's tokenizer, in the bundle and out of it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.tokenizer import Tokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import load
from tests.tiny import save_tiny, save_tokenizer


def test_a_tokenizer_that_names_no_class_still_loads_from_the_bundle(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    save_tokenizer(checkpoint)
    (checkpoint / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    build(checkpoint, tmp_path / "bundle", BuildOptions("torchscript"))
    assert load(tmp_path / "bundle")(["the film is good"]).logits.shape == (1, 2)


def test_pairs_work_where_the_family_has_no_token_types(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "distilbert")
    save_tokenizer(checkpoint)
    batch = Tokenizer(checkpoint, load_encoder(checkpoint).config)([("a film", "very good")])
    assert batch.lengths.tolist() == [7]
    assert not batch.token_type_ids.any()


def test_a_tokenizer_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert")
    (checkpoint / "tokenizer.json").write_text("{}")
    with pytest.raises(LtpError, match="cannot load the tokenizer"):
        Tokenizer(checkpoint, load_encoder(checkpoint).config)


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
    with contextlib.suppress(LtpError):
        Tokenizer(checkpoint, config)
    assert not ran.exists()
