"""Vectors of texts, against sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.cli import main
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import random_texts

TEXTS = ["a very good film .", "dull", *random_texts(20, seed=3)]
PROMPTS = {"query": "the film is ", "document": ""}


@pytest.fixture(scope="module")
def checkpoint(once: Once) -> Path:
    return once(lambda directory: save_embedding(directory, prompts=PROMPTS), "encode")


@pytest.fixture(scope="module")
def engine(checkpoint: Path, bundle_of: Callable[..., Path]) -> Engine:
    return load(bundle_of(checkpoint, survivors=False), batch_tokens=40)


@pytest.mark.parametrize(
    "options", [{}, {"prompt_name": "query"}, {"prompt_name": "document"}, {"prompt": "not "}]
)
def test_vectors_are_those_of_sentence_transformers(
    options: dict[str, str], engine: Engine, checkpoint: Path
) -> None:
    library = pytest.importorskip("sentence_transformers")
    expected = library.SentenceTransformer(str(checkpoint), device="cpu").encode(TEXTS, **options)
    found = engine.encode(TEXTS, **options)
    assert (found.dtype, found.shape) == (np.float32, (len(TEXTS), 64))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_default_prompt_is_used_where_nothing_is_said(
    checkpoint: Path, engine: Engine, bundle_of: Callable[..., Path], once: Once
) -> None:
    def make(directory: Path) -> None:
        save_embedding(directory, prompts=PROMPTS)
        path = directory / "config_sentence_transformers.json"
        path.write_text(path.read_text().replace("null", '"query"'))

    other = load(bundle_of(once(make, "default prompt"), survivors=False))
    wanted = engine.encode(TEXTS, prompt_name="query")
    np.testing.assert_allclose(other.encode(TEXTS), wanted, atol=1e-6)
    np.testing.assert_allclose(other.encode(TEXTS, prompt=""), engine.encode(TEXTS), atol=1e-6)


def test_one_text_and_none(engine: Engine) -> None:
    assert engine.encode("dull").shape == (1, 64)
    assert engine.encode([]).shape == (0, 64)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (["a"], {"prompt_name": "passage"}, r"no prompt 'passage'; it has 'query', 'document'"),
        (["a"], {"prompt_name": "query", "prompt": "the "}, "or the name of one, not both"),
        (["a"], {"prompt": 1}, "prompt must be a string, found 1"),
        ([("a", "b")], {}, "text 0 is a pair, and a vector is of one text"),
        ([1], {}, "text 0 must be a string"),
    ],
)
def test_what_is_no_text_or_prompt_is_refused(
    texts: Any, options: dict[str, Any], message: str, engine: Engine
) -> None:
    with pytest.raises(InputError, match=message):
        engine.encode(texts, **options)


def test_other_questions_are_refused_by_name(engine: Engine, bert_bundle: Path) -> None:
    with pytest.raises(LtpError, match=r"vectors, not with labels: use `engine\.encode`"):
        engine.predict(TEXTS)
    with pytest.raises(LtpError, match="gives 64 numbers for a pair of texts, and a ranking needs"):
        engine.rank("the film", TEXTS)
    with pytest.raises(LtpError, match="need a model for natural language inference"):
        engine.classify(TEXTS, ["good"])
    with pytest.raises(LtpError, match="answers with classes, not with vectors; encode needs"):
        load(bert_bundle).encode(TEXTS)


def test_windows_of_a_long_text_give_a_vector_of_unit_length(
    checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    engine = load(bundle_of(checkpoint, survivors=False), long_texts="window")
    found = engine.encode([" ".join(TEXTS), "dull"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_inspect_says_what_the_vectors_are(
    checkpoint: Path, engine: Engine, bundle_of: Callable[..., Path]
) -> None:
    result = CliRunner().invoke(main, ["inspect", str(bundle_of(checkpoint, survivors=False))])
    expected = "vectors of 64 from the mean over all tokens, pruned ones frozen, unit length, pro"
    assert expected in result.output


def test_the_command_prints_vectors(
    checkpoint: Path, engine: Engine, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint, survivors=False)
    result = CliRunner().invoke(main, ["run", str(bundle)], input="a film\n")
    assert result.exit_code == 0, result.output
    assert result.output.startswith('{"embedding": [')
