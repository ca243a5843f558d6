"""The folder that optimum-intel opens, opened by it; no option says which precision to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltp_deploy
from ltp_deploy.export.table import export
from tests.embeddings import save_embedding
from tests.export.environments import answer_of, python_with, rounded
from tests.tiny import POLICIES, random_texts

LONG = "very good " * 60  # of more tokens than fit
TEXTS = [*random_texts(9, 7), LONG, "", "not a film"]
PAIRS = [["a film", text] for text in TEXTS]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def optimum() -> str:
    return python_with(("optimum", "sentence_transformers"), "LTP_OPTIMUM_PYTHON")


def asked(python: str, bundle: Path, folder: Path) -> Any:
    export(bundle, "optimum", folder / "out")
    request = {"folder": str(folder / "out"), "texts": TEXTS, "pairs": PAIRS}
    return answer_of(python, "ask_optimum.py", request)


def same(found: Any, expected: np.ndarray, atol: float = 1e-6) -> bool:
    return bool(np.allclose(np.array(found), expected, rtol=0, atol=atol))


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_a_classifier_answers_as_the_engine(
    family: str,
    optimum: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    once: Any,
    tmp_path: Path,
) -> None:
    checkpoint = checkpoint_of("bert", "absolute")
    if family != "bert":
        checkpoint = once(lambda new: _with_tokenizer(new, family), f"{family}-with-tokenizer")
    bundle = bundle_of(checkpoint)
    engine = ltp_deploy.load(bundle)
    found = asked(optimum, bundle, tmp_path)
    assert same(found["logits"], engine(TEXTS).logits)
    assert same(found["pairs"], engine([tuple(pair) for pair in PAIRS]).logits)
    assert found["uncut"] == [len(TEXTS), 0]
    assert found["pipeline, uncut"] == "ValueError"
    for prediction, scores in zip(engine.predict(TEXTS), found["pipeline"], strict=True):
        best = max(scores, key=lambda entry: entry["score"])
        assert best["score"] == pytest.approx(prediction.score, abs=1e-6)
        label = prediction.label
        assert best["label"] == (f"LABEL_{label}" if isinstance(label, int) else label)


def test_a_reduced_precision_answers_as_its_engine(
    optimum: str, reduced: Path, tmp_path: Path
) -> None:
    found = asked(optimum, reduced, tmp_path)
    with ltp_deploy.load(reduced) as engine:
        expected, pairs = engine(TEXTS).logits, engine([tuple(pair) for pair in PAIRS]).logits
    assert rounded(found["logits"], expected)
    assert rounded(found["pairs"], pairs)
    assert '{"INFERENCE_PRECISION_HINT": "bf16"}' in (tmp_path / "out" / "README.md").read_text()


def _with_tokenizer(directory: Path, family: str) -> None:
    from tests.tiny import save_tiny, save_tokenizer

    save_tokenizer(directory)
    save_tiny(directory, family, POLICIES["absolute"])


@pytest.mark.parametrize("activation", ["Identity", "Sigmoid"])
def test_a_reranker_gives_the_engines_scores(
    activation: str,
    optimum: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    tmp_path: Path,
) -> None:
    entry = {"activation_fn": f"torch.nn.{activation}"}
    names = {"id2label": {0: "LABEL_0"}, "sentence_transformers": entry}
    bundle = bundle_of(checkpoint_of("bert", "relative", labels=1, **names))
    expected = ltp_deploy.load(bundle).predict([tuple(pair) for pair in PAIRS])
    found = asked(optimum, bundle, tmp_path)
    assert same(found["pairs"], np.array([prediction.score for prediction in expected]))
    alone = [prediction.score for prediction in ltp_deploy.load(bundle).predict(TEXTS)]
    assert same([scores[0]["score"] for scores in found["pipeline"]], np.array(alone))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_an_embedding_model_gives_the_engines_vectors(
    pooling: str, optimum: str, bundle_of: Callable[..., Path], once: Any, tmp_path: Path
) -> None:
    prompts = {"query": "a film "}

    def make(new: Path) -> None:
        policy = POLICIES["absolute"]
        save_embedding(new, "bert", policy, pooling, "Tanh", prompts=prompts)

    bundle = bundle_of(once(make, "embedding", "optimum", pooling), survivors=False)
    engine = ltp_deploy.load(bundle)
    found = asked(optimum, bundle, tmp_path)
    assert same(found["vectors"], engine.encode(TEXTS))
    assert same(found["prompted"], engine.encode(TEXTS, "query"))
