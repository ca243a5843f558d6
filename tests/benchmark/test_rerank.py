"""benchmarks/rerank.py: what is ranked, and that buckets change no answer."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.answers import random_batch


@pytest.fixture
def rerank(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for module in ("rerank", "rerank_model", "learning", "cpu"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import rerank

    return rerank


def test_a_query_comes_with_its_own_passages_and_then_others(
    rerank: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "test.tsv"
    rows = [("q", "a"), ("q", "b"), ("r", "c"), ("r", "a"), ("s", "d")]
    path.write_text("query\tpassage\tlabel\n" + "".join(f"{q}\t{p}\t0\n" for q, p in rows))
    assert rerank.candidates(path, 1, 3) == [("r", "c"), ("r", "a"), ("r", "d")]
    assert rerank.candidates(path, 2, 4) == [("s", p) for p in "dabc"]
    with pytest.raises(SystemExit, match="4 different passages"):
        rerank.candidates(path, 0, 5)
    with pytest.raises(SystemExit, match="3 queries"):
        rerank.candidates(path, 3, 1)


def test_transformers_gets_the_batches_of_a_cross_encoder(rerank: ModuleType) -> None:
    pairs = [("query", "x" * n) for n in (3, 9, 1, 5, 7)]
    order = rerank.by_characters(pairs).tolist()
    assert rerank.in_batches(order, 2) == [[1, 4], [3, 0], [2]]


class Sums:
    """In place of OpenVINO: the sum of a sequence's ids, and the shapes that were given."""

    concurrency = 1

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        ids = feeds["input_ids"] * feeds["attention_mask"]
        self.shapes.append(ids.shape)
        return {"logits": ids.sum(1, keepdims=True).astype(np.float32)}


def test_buckets_hold_similar_lengths_and_answers_go_back_to_their_pairs(
    rerank: ModuleType,
) -> None:
    batch, session = random_batch([4, 12, 5, 11, 6], vocabulary=60), Sums()
    config = type("Config", (), {"pad_token_id": 1})
    buckets = rerank.Buckets(session, rerank.ANY, "f32", False, 2)
    found = buckets.scores(batch, config)
    expected = [batch.select([i]).input_ids.sum() for i in range(5)]
    np.testing.assert_array_equal(found, expected)
    assert session.shapes == [(1, 12), (2, 11), (2, 5)]


def test_a_model_is_compiled_once_for_each_exact_shape(rerank: ModuleType) -> None:
    batch, config = random_batch([4, 4, 5, 5, 6], vocabulary=60), type("C", (), {"pad_token_id": 1})
    compiled: list[tuple[int, int]] = []

    def opened(shape: tuple[int, int]) -> Sums:
        compiled.append(shape)
        return Sums()

    buckets = rerank.Buckets(rerank.ExactShapes(opened, 1), rerank.EXACT, "f32", False, 1)
    expected = [batch.select([i]).input_ids.sum() for i in range(5)]
    for _ in range(2):
        np.testing.assert_array_equal(buckets.scores(batch, config), expected)
    assert compiled == [(1, 6), (1, 5), (1, 4)]
