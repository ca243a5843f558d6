"""Tokens as people see them."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from ltp_deploy.data.pieces import Piece, named_pieces
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.runtime.engine import Engine, load
from tests.tiny import random_texts

TEXTS = ["", "The film  is GOODS.", ("a very bad film", "not great"), "dull " * 60]


def tokenizers(bundle: Path, checkpoint: Path, engine: Engine) -> list:
    """As a bundle reads texts, and as its checkpoint does."""
    return [engine.tokenizer, TransformersTokenizer(checkpoint, engine.config)]


@pytest.mark.parametrize(
    "text", [*TEXTS, *random_texts(3, seed=5)], ids=lambda text: str(text)[:20]
)
def test_pieces_are_the_tokens_that_the_engine_reads(
    text: str | tuple[str, str], bert_bundle: Path, bert_checkpoint: Path, engine: Engine
) -> None:
    names = AutoTokenizer.from_pretrained(bert_checkpoint)
    parts = (text,) if isinstance(text, str) else text
    for tokenizer in tokenizers(bert_bundle, bert_checkpoint, engine):
        read = tokenizer.tokenize([text], pieces=True)
        ((pieces,),) = read.pieces
        ids = tokenizer([text]).input_ids.tolist()
        assert read.batch.input_ids.tolist() == ids
        assert [piece.token for piece in pieces] == names.convert_ids_to_tokens(ids)
        for piece in pieces:
            assert (piece.segment is None) == (piece.token in ("[CLS]", "[SEP]"))
            if piece.segment is not None:
                said = parts[piece.segment][piece.start : piece.end].lower()
                assert said == piece.token.removeprefix("##") or piece.token == "[UNK]"


def test_windows_have_pieces_of_their_own(bert_bundle: Path, bert_checkpoint: Path) -> None:
    from ltp_deploy.data.json_tokenizer import JsonTokenizer
    from ltp_deploy.data.long_texts import LongTexts

    with load(bert_bundle) as engine:
        tokenizer = engine.tokenizer
        assert isinstance(tokenizer, JsonTokenizer)
        tokenizer.limit(12, LongTexts("window", 3))
        names = AutoTokenizer.from_pretrained(bert_checkpoint)
        text = "a very bad film was not great " * 4
        for given in (text, ("dull .", text)):
            read = tokenizer.tokenize([given], pieces=True)
            batch, (windows,) = read.batch, read.pieces
            assert batch.sequences == len(windows) > 3
            for i, pieces in enumerate(windows):
                ids = batch.select([i]).input_ids.tolist()
                assert [piece.token for piece in pieces] == names.convert_ids_to_tokens(ids)
            last = [piece for piece in windows[-1] if piece.segment is not None][-1]
            assert text[last.start : last.end] == "great"
            assert last.end == len(text) - 1


def test_without_places_special_tokens_part_the_texts() -> None:
    tokens = ["<s>", "a", "b", "</s>", "</s>", "c", "</s>"]
    found = named_pieces(tokens, [1, 0, 0, 1, 1, 0, 1])
    assert [piece.segment for piece in found] == [None, 0, 0, None, None, 1, None]
    assert found[1] == Piece("a", None, None, 0)
