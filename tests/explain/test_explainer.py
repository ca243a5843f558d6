"""Explanations against the oracle, and against the same bundle loaded by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.codec import to_json
from ltp_deploy.data.json_tokenizer import JsonTokenizer
from ltp_deploy.errors import BundleError, EngineClosed, InputError, LtpError
from ltp_deploy.explain import explainer as explainer_module
from ltp_deploy.explain.explainer import Explainer, explain
from ltp_deploy.explain.explanation import Answer, TokenSequence
from ltp_deploy.runtime.engine import Engine, load
from tests.answers import oracle_answers
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import POLICIES

TEXT = "the film is good . a very bad film was not great , dull dull goods ."
VERDICT = "is not very good , and dull"
PAIR = ("a very bad film", "not great . the film was dull")
FORMS: dict[str, dict[str, Any]] = {
    "classification": {},
    "multi_label": {"problem_type": "multi_label_classification", "labels": 3},
    "regression": {"problem_type": "regression", "labels": 1},
    "ranking": {"labels": 1},
}


def survivors_of(sequence: TokenSequence, layers: int) -> list[list[int]]:
    return [
        [i for i, t in enumerate(sequence.tokens) if t.pruned is None or t.pruned > layer]
        for layer in range(layers)
    ]


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("text", [TEXT, PAIR], ids=["text", "pair"])
def test_the_oracle_prunes_the_same_tokens_in_the_same_layers(
    policy: str,
    text: str | tuple[str, str],
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    with load(bundle_of(checkpoint, survivors=False)) as engine:
        found = explain(engine, text)
        logits, (expected,) = oracle_answers(load_encoder(checkpoint), engine.tokenize([text]))
    (explained,) = found.texts
    (sequence,) = explained.sequences
    assert survivors_of(sequence, 3) == expected
    assert sequence.alive == (len(sequence.tokens), *map(len, expected))
    assert sequence.finished == next((i for i, kept in enumerate(expected) if not kept), None)
    powers = np.exp(logits[0])
    scores = [score.value for score in explained.answer.scores]
    np.testing.assert_allclose(scores, powers / powers.sum(), atol=1e-5)
    assert explained.answer.labels == (("bad", "good")[int(logits[0].argmax())],)


@pytest.mark.parametrize("form", FORMS)
def test_answers_are_those_of_the_engine_and_of_the_one_without_pruning(
    form: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    names = {} if "labels" not in FORMS[form] else {"id2label": None}
    if form == "multi_label":
        names = {"id2label": {0: "a", 1: "b", 2: "c"}}
    bundle = bundle_of(checkpoint_of("bert", "relative", **FORMS[form], **names), survivors=False)
    with load(bundle) as engine, load(bundle, pruning=False) as dense:
        found = explain(engine, TEXT)
        (expected,), (other,) = engine.predict(TEXT), dense.predict(TEXT)
    (explained,) = found.texts
    assert found.head == form
    assert explained.dense is not None
    assert [s.value for s in explained.answer.scores] == [float(v) for v in expected.scores]
    assert [s.value for s in explained.dense.scores] == [float(v) for v in other.scores]
    chosen = [score.name for score in explained.answer.scores if score.chosen]
    if form == "multi_label":
        assert chosen == expected.label
        assert sorted(explained.answer.labels) == sorted(chosen)
        assert [score.threshold for score in explained.answer.scores] == [0.5] * 3
    elif form == "classification":
        assert chosen == [expected.label]
    else:
        assert expected.label is None
        assert (chosen, explained.answer.labels) == (["score"], ())
    assert found.milliseconds > 0
    assert found.dense_milliseconds is not None
    assert json.loads(json.dumps(to_json(found))) == to_json(found)


@pytest.fixture(scope="module")
def reranker(checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(checkpoint_of("bert", "relative", labels=1, id2label=None), survivors=False)


def test_passages_come_in_the_order_of_their_rank(reranker: Path) -> None:
    passages = ["dull", "a great film .", "the film was not bad", "very good"]
    with load(reranker, pruning=1.3) as engine:
        found = explain(engine, "a good film", passages)
        expected = engine.rank("a good film", passages)
        pairs = [explain(engine, ("a good film", passage)) for passage in passages]
    assert found.ranked
    assert found.pruning == 1.3
    assert [(t.index, t.answer.scores[0].value) for t in found.texts] == expected
    for text in found.texts:
        assert text.segments[1].text == passages[text.index]
        assert text.sequences == pairs[text.index].texts[0].sequences


def test_passages_are_refused_where_nothing_ranks_them(engine: Engine, reranker: Path) -> None:
    with pytest.raises(LtpError, match="a ranking needs one"):
        explain(engine, "a film", ["dull"])
    with load(reranker) as ranking:
        with pytest.raises(InputError, match="a query without passages"):
            explain(ranking, "a film", [])
        with pytest.raises(InputError, match="query must be a string"):
            explain(ranking, PAIR, ["dull"])


def test_an_embedding_is_compared_with_its_dense_vector(
    once: Once, bundle_of: Callable[..., Path]
) -> None:
    def make(directory: Path) -> None:
        save_embedding(directory, ltp=POLICIES["topk"], prompts={"query": "the film "})
        path = directory / "config_sentence_transformers.json"
        path.write_text(path.read_text().replace("null", '"query"'))

    checkpoint = once(make, "explain embedding")
    bundle = bundle_of(checkpoint, survivors=False)
    with load(bundle) as engine, load(bundle, pruning=False) as dense:
        found = explain(engine, VERDICT)
        cosine = float(engine.encode(VERDICT)[0] @ dense.encode(VERDICT)[0])
        with pytest.raises(InputError, match="is a pair"):
            explain(engine, PAIR)
        tokens = engine.tokenizer([f"the film {VERDICT}"])
    (text,) = found.texts
    assert text.segments[0].text == f"the film {VERDICT}"
    assert text.answer == Answer((), (), False, pytest.approx(cosine, abs=1e-6))
    assert cosine < 0.9999
    expected = load_encoder(checkpoint)
    (kept,) = oracle_answers(expected, tokens)[1]
    assert survivors_of(text.sequences[0], 3) == kept


def test_what_was_cut_is_said(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> None:
    with load(bundle_of(bert_checkpoint, survivors=False, max_length=12)) as engine:
        (text,) = explain(engine, "a film is good " * 5).texts
    assert text.truncated
    assert len(text.sequences[0].tokens) == 12
    (segment,) = text.segments
    assert segment.text[segment.start : segment.end] == "a film is good a film is good a film"


def test_windows_are_explained_one_by_one(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False, max_length=12)
    text = "a very bad film was not great " * 4
    with load(bundle, long_texts="window", stride=3) as engine:
        (found,) = explain(engine, text).texts
        batch = engine.tokenize([text])
        (expected,) = engine.predict(text)
    assert len(found.sequences) == batch.sequences > 3
    assert not found.truncated
    assert [score.value for score in found.answer.scores] == [float(v) for v in expected.scores]
    for i, kept in enumerate(oracle_answers(load_encoder(bert_checkpoint), batch)[1]):
        assert survivors_of(found.sequences[i], 3) == kept


def test_a_text_is_tokenized_once_but_for_the_times(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, read = JsonTokenizer.encode, []

    def counted(tokenizer: JsonTokenizer, texts: list[Any], pieces: bool) -> Any:
        read.append(texts)
        return encode(tokenizer, texts, pieces)

    monkeypatch.setattr(explainer_module, "milliseconds", lambda calls: [1.0] * len(calls))
    bundle = bundle_of(bert_checkpoint, survivors=False)
    with load(bundle) as engine, Explainer(engine, most_tokens=100) as explainer:
        explainer(TEXT)
        monkeypatch.setattr(JsonTokenizer, "encode", counted)
        explainer(PAIR)
    assert read == [[PAIR]]


def test_without_pruning_there_is_nothing_to_compare_with(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with load(bundle_of(bert_checkpoint, survivors=False), pruning=False) as engine:
        found = explain(engine, TEXT)
    assert found.dense_milliseconds is None
    assert found.no_dense == "nothing is pruned as it is"
    assert all(token.pruned is None for token in found.texts[0].sequences[0].tokens)


def test_engines_that_cannot_are_refused_by_name(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with load(bundle_of(bert_checkpoint, "torchscript", survivors=False)) as engine:
        with pytest.raises(
            BundleError, match=r"runs in torchscript, .* built with `--outputs surv"
        ):
            explain(engine, TEXT)
    with load(bundle_of(bert_checkpoint, "torchscript")) as engine:
        found = explain(engine, TEXT)
    assert found.texts[0].dense is None
    assert "runs in torchscript, whose engines have their thresholds compiled" in found.no_dense
    assert any(token.pruned is not None for token in found.texts[0].sequences[0].tokens)


def test_bad_texts_are_refused_and_leave_the_explainer_usable(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with load(bundle_of(bert_checkpoint, survivors=False, max_length=12), long_texts="refuse") as e:
        with Explainer(e) as explainer:
            with pytest.raises(InputError, match="more than 12 tokens"):
                explainer("film " * 50)
            with pytest.raises(InputError, match="must be a string"):
                explainer(7)  # type: ignore[arg-type]
            assert explainer("dull").texts[0].answer.labels
        with pytest.raises(EngineClosed, match="make another"):
            explainer("dull")
        assert e("dull").labels, "the engine itself stays open"
