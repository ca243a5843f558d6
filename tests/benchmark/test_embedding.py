"""benchmarks/embedding.py: the texts that are picked, what is counted, and its peers' files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from ltp_deploy.data.batch import pack
from ltp_deploy.model.policy import PrunePolicy
from tests.embeddings import save_embedding
from tests.model.problems import tiny_encoder


@pytest.fixture
def embedding(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for module in ("embedding", "embedding_peers", "learning"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import embedding

    return embedding


@pytest.fixture
def peers(embedding: ModuleType) -> ModuleType:
    return sys.modules["embedding_peers"]


def test_lengths_go_from_the_shortest_to_the_longest_in_mixed_order(embedding: ModuleType) -> None:
    found = embedding.spread(32, 8, 256)
    assert len(found) == 32
    assert (min(found), max(found)) == (8, 256)
    assert found != sorted(found)
    assert found == embedding.spread(32, 8, 256)
    assert sorted(embedding.spread(6, 8, 256)) == [8, 16, 32, 64, 128, 256]


def test_texts_of_the_wanted_lengths_come_from_all_sources(embedding: ModuleType) -> None:
    lengths = np.array([5, 9, 9, 9, 30, 31])
    sources = ["a", "a", "a", "b", "b", "a"]
    assert embedding.nearest([9, 9, 9, 28], lengths, sources) == [1, 3, 2, 4]
    assert embedding.nearest([9, 9, 9, 9], lengths, sources) == [1, 3, 2, 0]


def test_useful_work_is_that_of_the_tokens_alone(embedding: ModuleType) -> None:
    config = tiny_encoder(PrunePolicy.dense(3)).config
    request = embedding.Request("two", ("a", "b"), pack([[1] * 4, [1] * 6]))
    d, m = config.hidden_size, config.intermediate_size
    each = [config.layers * (n * (4 * d * d + 2 * d * m) + 2 * d * n * n) for n in (4, 6)]
    assert embedding.useful(request, config) == pytest.approx(sum(each))


def test_cosines_are_of_each_text(embedding: ModuleType) -> None:
    found = embedding.compared(np.array([[2.0, 0], [1, 1]]), np.array([[1.0, 0], [0, 3]]))
    assert found == pytest.approx({"mean": (1 + 0.5**0.5) / 2, "lowest": 0.5**0.5})


def test_only_dense_sides_must_compute_the_references_vectors(embedding: ModuleType) -> None:
    def side(lowest: float, prunes: bool) -> dict[str, object]:
        return {"cosine": {"mean": 1.0, "lowest": lowest}, "prunes": prunes}

    sides = {"near": side(0.995, False), "other": side(0.98, False), "pruned": side(0.5, True)}
    (line,) = embedding.strangers({"mixed": {"sides": sides}})
    assert line.startswith("other on mixed: a cosine of 0.9800")


def test_the_table_is_against_sentence_transformers(embedding: ModuleType) -> None:
    def side(ms: float) -> dict[str, object]:
        times = {"median_ms": ms, "lower_quartile_ms": ms - 1, "upper_quartile_ms": ms + 2}
        return {**times, "gflops": 40.4, "cosine": {"mean": 1.0, "lowest": 0.99}}

    found = embedding.rows({"ours": side(4.0), embedding.REFERENCE: side(10.0)})
    assert found[0] == ["ours", "4.00", "3.00-6.00", "2.50x", "40", "1.0000", "0.9900"]
    assert len(found[0]) == len(embedding.COLUMNS)


def test_means_leave_padding_out(peers: ModuleType) -> None:
    states = torch.arange(24.0).reshape(2, 3, 4).numpy()
    found = peers.means(states, np.array([2, 3], np.int32))
    np.testing.assert_allclose(found, [states[0, :2].mean(0), states[1].mean(0)])
    np.testing.assert_allclose(np.linalg.norm(peers.unit(found), axis=1), 1, rtol=1e-6)


def test_words_are_marked_where_they_begin(peers: ModuleType) -> None:
    marked = [peers.phantom_space(token) for token in ("[CLS]", "sing", "##ing")]
    assert marked == ["[CLS]", "\u2581sing", "ing"]


def test_a_file_for_llama_cpp_has_every_weight(tmp_path: Path, peers: ModuleType) -> None:
    gguf = pytest.importorskip("gguf")
    checkpoint = save_embedding(tmp_path / "model")
    peers.write_gguf(checkpoint, tmp_path / "model.gguf")
    found = gguf.GGUFReader(tmp_path / "model.gguf")
    config = json.loads((checkpoint / "config.json").read_text())
    names = {tensor.name for tensor in found.tensors}
    assert len(names) == 5 + 16 * config["num_hidden_layers"]
    assert {"token_embd.weight", "position_embd.weight", "blk.0.attn_q.bias"} <= names
    tokens = found.get_field("tokenizer.ggml.tokens").contents()
    assert tokens[:6] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581the"]
    assert found.get_field("tokenizer.ggml.seperator_token_id").contents() == 3
