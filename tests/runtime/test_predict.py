"""Probabilities, values and rankings, against PyTorch on transformers' own logits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ltp_deploy.errors import EngineClosed, InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load
from tests.tiny import random_texts

TEXTS = ["the film is good .", "dull", ("a very bad film", "not great"), "a film"]
DOCUMENTS = random_texts(30, seed=5)


def logits(checkpoint: Path, texts: list[Any]) -> torch.Tensor:
    """By transformers, one text at a time."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    rows = []
    for text in texts:
        parts = text if isinstance(text, tuple) else (text,)
        with torch.inference_mode():
            rows.append(model(**tokenizer(*parts, return_tensors="pt")).logits[0])
    return torch.stack(rows)


@pytest.fixture(scope="module")
def made(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> Callable[..., tuple[Engine, Path]]:
    """Changes of a dense tiny BERT -> its engine, and the checkpoint."""

    def make(**changes: Any) -> tuple[Engine, Path]:
        checkpoint = checkpoint_of("bert", None, **changes)
        return load(bundle_of(checkpoint, survivors=False), batch_tokens=40), checkpoint

    return make


Make = Callable[..., tuple[Engine, Path]]


def test_a_class_comes_with_its_probability(made: Make) -> None:
    engine, checkpoint = made()
    expected = logits(checkpoint, TEXTS).softmax(1)
    for found, row in zip(engine.predict(TEXTS), expected, strict=True):
        assert found.label == ("bad", "good")[int(row.argmax())]
        assert found.score == pytest.approx(float(row.max()), abs=1e-5)
        np.testing.assert_allclose(found.scores, row, atol=1e-5)
        assert found.scores.dtype == np.float32


def test_without_names_classes_are_numbers(made: Make) -> None:
    engine, checkpoint = made(labels=3, id2label=None)
    expected = logits(checkpoint, TEXTS).argmax(1).tolist()
    assert [found.label for found in engine.predict(TEXTS)] == expected


def test_of_several_labels_each_has_its_own_probability(made: Make) -> None:
    changes = {"problem_type": "multi_label_classification", "id2label": {0: "a", 1: "b", 2: "c"}}
    engine, checkpoint = made(labels=3, **changes)
    expected = logits(checkpoint, TEXTS).sigmoid()
    for found, row in zip(engine.predict(TEXTS), expected, strict=True):
        chosen = [i for i in range(3) if row[i] > 0.5]
        assert found.label == ["abc"[i] for i in chosen]
        np.testing.assert_allclose(found.score, row[chosen], atol=1e-5)
        np.testing.assert_allclose(found.scores, row, atol=1e-5)


ACTIVATIONS = {
    "none": ({}, lambda x: x),
    "newest": (
        {
            "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"},
            "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
        },
        torch.sigmoid,
    ),
    "older": (
        {"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"},
        torch.tanh,
    ),
    "identity": (
        {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}},
        lambda x: x,
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_rankings_are_on_the_checkpoints_own_scale(name: str, made: Make) -> None:
    changes, activation = ACTIVATIONS[name]
    engine, checkpoint = made(labels=1, id2label=None, **changes)
    values = activation(logits(checkpoint, TEXTS))[:, 0].tolist()
    for found, value in zip(engine.predict(TEXTS), values, strict=True):
        assert found.label is None
        assert found.score == pytest.approx(value, abs=1e-5)

    pairs = [("good film", document) for document in DOCUMENTS]
    scores = activation(logits(checkpoint, pairs))[:, 0]
    order = scores.argsort(descending=True, stable=True).tolist()
    ranking = engine.rank("good film", DOCUMENTS)
    assert [index for index, _ in ranking] == order
    np.testing.assert_allclose([score for _, score in ranking], scores[order], atol=1e-5)
    assert engine.rank("good film", DOCUMENTS, top_k=3) == ranking[:3]
    assert engine.rank("good film", DOCUMENTS, top_k=99) == ranking


def test_equal_documents_stay_in_their_order(made: Make) -> None:
    engine, _ = made(labels=1, id2label=None)
    assert [index for index, _ in engine.rank("good", ["a film"] * 4)] == [0, 1, 2, 3]


def test_nothing_is_nothing(made: Make) -> None:
    engine, _ = made(labels=1, id2label=None)
    assert engine.predict([]) == []
    assert engine.rank("good", []) == []


def test_more_than_an_engine_takes_is_computed_in_parts(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False, max_batch=2, max_tokens=50)
    with load(bundle) as engine:
        found = engine.predict(DOCUMENTS)
        with pytest.raises(InputError, match="the engine takes 2"):
            engine(DOCUMENTS)
        expected = [engine.predict(text)[0] for text in DOCUMENTS]
    for one, other in zip(found, expected, strict=True):
        assert (one.label, one.score) == (other.label, other.score)
    with pytest.raises(EngineClosed):
        engine.predict("a film")


def test_parts_run_side_by_side_where_the_engine_does(bert_bundle: Path) -> None:
    expected = load(bert_bundle).predict(DOCUMENTS)
    engine = load(bert_bundle, threads=2, throughput=True, batch_tokens=40)
    assert engine.session.concurrency == 2
    met, run = threading.Barrier(2, timeout=30), engine.session.run

    def run_with_another(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        met.wait()
        return run(feeds)

    engine.session.run = run_with_another  # type: ignore[method-assign]
    found = engine.predict(DOCUMENTS)
    assert [prediction.score for prediction in found] == [
        prediction.score for prediction in expected
    ]


def test_a_model_with_several_outputs_ranks_nothing(made: Make) -> None:
    with pytest.raises(LtpError, match="gives 2 numbers for a pair of texts, and a ranking needs"):
        made()[0].rank("good", DOCUMENTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, ["a"]), "query must be a string, found int"),
        (("good", "a film"), "documents must be a list of strings, found str"),
        (("good", 5), "documents must be a list of strings, found int"),
        (("good", ["a", None]), "document 1 must be a string, found None"),
        (("good", ["a"], 0), "top_k must be a whole number from 1 on, found 0"),
        (("good", ["a"], 1.5), r"top_k must be a whole number from 1 on, found 1\.5"),
        (("good", ["a"], True), "top_k must be a whole number from 1 on, found True"),
    ],
)
def test_what_cannot_be_ranked_is_refused(arguments: Any, message: str, made: Make) -> None:
    engine, _ = made(labels=1, id2label=None)
    with pytest.raises(InputError, match=message):
        engine.rank(*arguments)
