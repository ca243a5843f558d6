"""Labels that a model never saw, against transformers' pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.runtime.zero_shot import decided
from tests.heads.models import a_head
from tests.tiny import random_texts

TEXTS = ["a very good film .", "dull", *random_texts(3, seed=2)]
LABELS = ["good", "bad", "great"]
TEMPLATE = "the film is {} ."
NAMES = {
    "contradiction first": {0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"},
    "entailment first": {0: "entailment", 1: "neutral", 2: "contradiction"},
    "two": {0: "entailment", 1: "not_entailment"},
}

Make = Callable[..., tuple[Engine, Path]]


@pytest.fixture(scope="module")
def made(checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]) -> Make:
    """Names of classes -> a tiny BERT's engine, and the checkpoint."""

    def make(names: dict[int, str], **options: Any) -> tuple[Engine, Path]:
        label2id = {name: i for i, name in names.items()}  # which the pipeline reads
        changes = {"id2label": names, "label2id": label2id}
        checkpoint = checkpoint_of("bert", None, labels=len(names), **changes)
        return load(bundle_of(checkpoint, survivors=False, **options)), checkpoint

    return make


@pytest.mark.parametrize("several", [False, True])
def test_thresholds_of_the_models_own_labels_do_not_count(several: bool) -> None:
    names = ("entailment", "contradiction")
    config = a_head("multi_label", labels=names, label_thresholds=(0.9, 0.9)).config
    logits = np.array([[1, 0], [-1, 0]], np.float32)
    found = decided(logits, ["good", "bad"], (0, 1), config, several)
    assert found[0].label == (["good"] if several else "good")


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("names", NAMES)
def test_the_scores_are_those_of_transformers(names: str, several: bool, made: Make) -> None:
    engine, checkpoint = made(NAMES[names])
    expected = pipeline(
        "zero-shot-classification",
        model=AutoModelForSequenceClassification.from_pretrained(checkpoint),
        tokenizer=AutoTokenizer.from_pretrained(checkpoint),
    )(TEXTS, LABELS, hypothesis_template=TEMPLATE, multi_label=several)
    found = engine.classify(TEXTS, LABELS, TEMPLATE, several)
    for one, other in zip(found, expected, strict=True):
        scores = dict(zip(other["labels"], other["scores"], strict=True))
        np.testing.assert_allclose(one.scores, [scores[label] for label in LABELS], atol=1e-5)
        assert one.scores.dtype == np.float32
        if several:
            assert one.label == [label for label in LABELS if scores[label] > 0.5]
            np.testing.assert_allclose(one.score, [scores[label] for label in one.label], atol=1e-5)
        else:
            assert one.label == other["labels"][0]
            assert one.score == pytest.approx(other["scores"][0], abs=1e-5)


def test_more_pairs_than_an_engine_takes_are_computed_in_parts(made: Make) -> None:
    engine, _ = made(NAMES["two"])
    small, _ = made(NAMES["two"], max_batch=2, max_tokens=60)
    for one, other in zip(
        small.classify(TEXTS, LABELS), engine.classify(TEXTS, LABELS), strict=True
    ):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    assert engine.classify([], LABELS) == []
    assert [found.label for found in engine.classify("dull", ["bad"])] == ["bad"]


@pytest.mark.parametrize(
    "names", [{0: "bad", 1: "good"}, {0: "entailment", 1: "other"}, None], ids=str
)
def test_another_models_classes_are_refused(names: dict[int, str] | None, made: Make) -> None:
    engine, _ = made(names or {0: "LABEL_0", 1: "LABEL_1"})
    with pytest.raises(LtpError, match="one class named entailment and one named contradiction"):
        engine.classify(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("texts", "labels", "template", "message"),
    [
        (TEXTS, "good", TEMPLATE, "labels must be a list of strings, found str"),
        (TEXTS, [], TEMPLATE, "one label or more, found none"),
        (TEXTS, ["good", 3], TEMPLATE, "label 1 must be a string with text in it, found 3"),
        (TEXTS, ["good", " "], TEMPLATE, "label 1 must be a string with text in it"),
        (TEXTS, ["good", "bad", "good"], TEMPLATE, "label 2, 'good', stands in the list before"),
        (TEXTS, LABELS, "the film is good", "a sentence with {} once"),
        (TEXTS, LABELS, "{} or {}", "a sentence with {} once"),
        ([("a", "b")], LABELS, TEMPLATE, "text 0 is a pair"),
        (7, LABELS, TEMPLATE, "texts must be a list of strings, found int"),
    ],
)
def test_bad_requests_say_what_was_found(
    texts: Any, labels: Any, template: str, message: str, made: Make
) -> None:
    engine, _ = made(NAMES["two"])
    with pytest.raises(InputError, match=message.replace("{}", r"\{\}")):
        engine.classify(texts, labels, template)
