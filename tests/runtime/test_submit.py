"""`submit` answers as a call does, bit for bit, whatever a request is computed with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.errors import EngineClosed, InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load
from ltp_deploy.runtime.result import Ran, Result, concatenated
from tests.answers import as_lists, random_batch
from tests.tiny import random_texts

SECONDS = 60


class Held:
    """A session that waits for a sign before it runs, and counts what it runs."""

    def __init__(self, engine: Engine):
        self.inner = engine.session
        self.concurrency = self.inner.concurrency
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.sequences: list[int] = []

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.sequences.append(len(feeds["offsets"]) - 1)
        self.entered.release()
        assert self.open.wait(SECONDS)
        return self.inner.run(feeds)


def together(engine: Engine, requests: Sequence[dict[str, Any]]) -> tuple[list[Result], list[int]]:
    """The answers to requests that meet in the queue, and how many sequences ran at a time."""
    held = Held(engine)
    engine._session = held
    first = [engine.submit(input_ids=[[2, 3]]) for _ in range(held.concurrency)]
    for _ in first:
        assert held.entered.acquire(timeout=SECONDS)
    futures = [engine.submit(**request) for request in requests]
    held.open.set()
    results = [future.result(SECONDS) for future in futures]
    engine._session = held.inner
    return results, held.sequences[len(first) :]


def assert_same(found: Result, expected: Result) -> None:
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert found.logits.flags.owndata
    assert found.labels == expected.labels
    for name in ("truncated", "windows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (found.survivors is None) == (expected.survivors is None)
    if expected.survivors is not None:
        assert as_lists(found.survivors) == as_lists(expected.survivors)


def requests() -> list[dict[str, Any]]:
    """Of one sequence, of several, of texts, packed; 40 sequences of many lengths."""
    random = np.random.default_rng(0)
    found: list[dict[str, Any]] = []
    for i, text in enumerate(random_texts(12, 1)):
        batch = random_batch(random.integers(1, 39, 1 + i % 3), i)
        found.append({"texts": text} if i % 4 else {"texts": [text, (text, "good film")]})
        found.append({"ids": batch.input_ids, "offsets": batch.offsets})
        found.append({"input_ids": [batch.input_ids[: batch.offsets[1]].tolist()]})
    return found


@pytest.mark.parametrize("survivors", [False, True])
@pytest.mark.parametrize("precision", ["f32", "bf16", "int8-dynamic"])
@pytest.mark.parametrize("policy", ["reference", "topk"])
def test_answers_are_the_same_bits_alone_and_together(
    policy: str,
    precision: str,
    survivors: bool,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    bundle = bundle_of(checkpoint_of("bert", policy), precision=precision, survivors=survivors)
    with load(bundle, batch_tokens=4096) as engine:
        alone = [engine(**request) for request in requests()]
        found, sequences = together(engine, requests())
        assert sequences == [sum(len(result.logits) for result in alone)]
        for result, expected in zip(found, alone, strict=True):
            assert_same(result, expected)


@pytest.mark.parametrize("labels", [1, 3, 20])
def test_the_number_of_labels_changes_nothing_of_that(
    labels: int, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("roberta", "mixed", labels=labels)
    with load(bundle_of(checkpoint, survivors=False)) as engine:
        given = [request for request in requests() if "texts" not in request]
        alone = [engine(**request) for request in given]
        for result, expected in zip(together(engine, given)[0], alone, strict=True):
            assert_same(result, expected)


def test_texts_in_windows_share_batches_too(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, survivors=False, max_length=12)
    texts: list[Any] = ["the film is good .", "a very bad film was not great " * 4, "dull"]
    given = [{"texts": text} for text in (*texts, texts)]
    with load(bundle, long_texts="window", stride=3) as engine:
        alone = [engine(**request) for request in given]
        assert alone[1].windows is not None
        assert alone[1].windows[0] > 3
        found, sequences = together(engine, given)
        assert sequences == [2 * sum(int(r.windows.sum()) for r in alone[:3])]  # type: ignore[union-attr]
        for result, expected in zip(found, alone, strict=True):
            assert_same(result, expected)

    small = bundle_of(bert_checkpoint, survivors=False, max_length=12, max_batch=2, max_tokens=24)
    with load(small, long_texts="window", stride=3) as engine:
        found, sequences = together(engine, given)
        assert max(sequences) == 2
        for result, expected in zip(found, alone, strict=True):
            assert_same(result, expected)


def test_a_refused_request_never_enters_the_queue(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    with load(bundle_of(bert_checkpoint, max_tokens=40)) as engine:
        with pytest.raises(InputError, match="has 42 tokens, the engine takes 40"):
            engine.submit(input_ids=[[2] * 21] * 2)
        with pytest.raises(InputError, match="is empty"):
            engine.submit(input_ids=[[]])
        with pytest.raises(InputError, match="deadline must be a positive number"):
            engine.submit("film", deadline=-1)
        assert engine.submit("film", deadline=60.0).result(SECONDS).logits.shape == (1, 2)


def test_the_queue_is_bounded(bert_bundle: Path) -> None:
    engine = load(bert_bundle, max_waiting=1)
    held = Held(engine)
    engine._session = held
    futures: list[Future[Result]] = []
    for _ in range(held.concurrency):
        futures.append(engine.submit("film"))
        assert held.entered.acquire(timeout=SECONDS)
    futures.append(engine.submit("dull"))
    with pytest.raises(LtpError, match="1 requests are waiting"):
        engine.submit("good")
    held.open.set()
    engine.close()
    assert all(future.result(0).logits.shape == (1, 2) for future in futures)


def test_a_closed_engine_says_so(bert_bundle: Path) -> None:
    before = threading.active_count()
    with load(bert_bundle) as engine:
        future = engine.submit("a film")
        batch = engine.tokenize("a film")
    assert future.result(0).logits.shape == (1, 2)
    assert threading.active_count() == before
    for call in (
        lambda: engine("a film"),
        lambda: engine.submit("a film"),
        lambda: engine.run(batch),
        lambda: engine.session,
    ):
        with pytest.raises(EngineClosed, match="the engine was closed; load the bundle again"):
            call()
    engine.close()


def test_an_engine_that_is_dropped_leaves_no_thread(bert_bundle: Path) -> None:
    before = threading.active_count()
    engine = load(bert_bundle)
    workers = [t for t in threading.enumerate() if t.name.startswith("ltp-engine")]
    engine.submit("a film").result(SECONDS)
    new = [t for t in threading.enumerate() if t.name.startswith("ltp-engine")]
    del engine
    for thread in set(new) - set(workers):
        thread.join(SECONDS)
    assert threading.active_count() <= before


def test_a_large_request_goes_in_pieces_with_the_answers_of_a_whole_one(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    texts = [*random_texts(9, 5), "the " * 60]
    whole = load(bundle_of(bert_checkpoint))(texts)
    small = bundle_of(bert_checkpoint, max_batch=4)
    with load(small, batch_tokens=50) as engine:
        with pytest.raises(InputError, match="10 sequences, the engine takes 4"):
            engine.submit(texts)
        pieces = engine.split(texts)
        lengths = [piece.batch.lengths for piece in pieces]
        assert max(map(len, lengths)) <= 4
        assert all(n.sum() <= 50 for n in lengths)
        found = concatenated([engine.enqueue(piece).result(SECONDS) for piece in pieces])
        assert_same(found, whole)
        with pytest.raises(InputError, match="is empty"):
            engine.split([])
        with pytest.raises(InputError, match="takes at most 40; truncate it"):
            engine.split(input_ids=[[2] * 41])


def test_every_batch_is_told_to_who_watches(bert_bundle: Path) -> None:
    seen: list[Ran] = []
    with load(bert_bundle) as engine:
        engine.watch(seen.append)
        result = engine(["a film", "the film is very good ."])
        engine.watch(None)
        engine("unseen")
    assert [ran.lengths.tolist() for ran in seen] == [[4, 8]]
    np.testing.assert_array_equal(seen[0].alive, result.alive)
    assert seen[0].seconds > 0


def test_the_queue_says_how_much_waits(bert_bundle: Path) -> None:
    told: list[int] = []
    with load(bert_bundle) as engine:
        held = Held(engine)
        engine._session = held
        for _ in range(held.concurrency):
            engine.submit("film")
            assert held.entered.acquire(timeout=SECONDS)
        assert engine.waiting == 0
        engine.watch(None, told.append)
        futures = [engine.submit("dull") for _ in range(3)]
        assert engine.waiting == 3
        assert told == [1, 2, 3]
        held.open.set()
        for future in futures:
            future.result(SECONDS)
        assert engine.waiting == told[-1] == 0
