"""The front that packs: the engine's answers, whatever the padding, and no answer to the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltp_deploy
from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.backends.table import read_bundle
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.export.graph import IDS, behind, with_outputs
from ltp_deploy.export.padded import padded_front
from tests.export.environments import hint, rounded
from tests.tiny import FAMILIES, VOCABULARY

LENGTHS = (9, 38, 1, 20, 4)


def batch(seed: int = 0) -> PackedBatch:
    random = np.random.default_rng(seed)
    return pack([random.integers(0, VOCABULARY, n) for n in LENGTHS])


def feeds(packed: PackedBatch, width: int, left: bool = False) -> dict[str, np.ndarray]:
    """The batch padded to a width; what lies in the padding is no token at all."""
    ids = np.full((packed.sequences, width), -7, np.int64)
    mask = np.zeros_like(ids)
    for i, (begin, end) in enumerate(zip(packed.offsets, packed.offsets[1:], strict=False)):
        start = width - (end - begin) if left else 0
        ids[i, start : start + end - begin] = packed.input_ids[begin:end]
        mask[i, start : start + end - begin] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}


class Opened:
    """The padded front before a bundle's engine, compiled as by who knows nothing of it."""

    def __init__(self, bundle: Path, **settings: Any):
        files = BundleFiles(bundle)
        self.manifest = read_bundle(files)
        front = padded_front("token_type_ids" in self.manifest.inputs)
        self.model = behind(front, files, self.manifest)
        self.core = import_openvino().Core()
        self.core.add_extension(library_path(files, self.manifest.engine.plugin))
        self.settings = {"INFERENCE_NUM_THREADS": 1, **settings}
        self.compiled = self.core.compile_model(self.model, "CPU", self.settings)

    def __call__(self, given: dict[str, np.ndarray]) -> np.ndarray:
        names = [port.get_any_name() for port in self.compiled.inputs]
        return np.array(self.compiled({name: given[name] for name in names})["logits"])


@pytest.fixture(scope="module")
def opened(bert_bundle: Path) -> Opened:
    return Opened(bert_bundle)


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_the_engines(
    family: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    """Of RoBERTa as well, whose padding tokens within a text are no positions."""
    bundle = bundle_of(checkpoint_of(family, "absolute"))
    expected = ltp_deploy.load(bundle, threads=1).run(batch()).logits
    graph = Opened(bundle)
    for width, left in ((38, False), (90, False), (50, True)):
        found = graph(feeds(batch(), width, left))
        assert np.allclose(found, expected, rtol=0, atol=1e-6)


def test_f32_stays_f32_where_bf16_is_the_default(bert_bundle: Path, opened: Opened) -> None:
    bf16 = Opened(bert_bundle, INFERENCE_PRECISION_HINT="bf16")
    assert np.array_equal(bf16(feeds(batch(), 38)), opened(feeds(batch(), 38)))


def test_graphs_of_reduced_precisions_answer_as_their_engines(reduced: Path) -> None:
    """In bf16, as their engines do; what is computed in f32 is several times as far off."""
    with ltp_deploy.load(reduced, threads=1) as engine:
        expected = engine.run(batch()).logits
    graph = Opened(reduced, **hint("bf16"))
    for width, left in ((38, False), (90, False), (50, True)):
        assert rounded(graph(feeds(batch(), width, left)), expected)


def test_padding_is_gone_before_the_engine(opened: Opened) -> None:
    """Whatever the width, as many rows enter the engine as there are tokens."""
    nodes = {node.get_friendly_name(): node for node in opened.model.get_ordered_ops()}
    model = with_outputs({"rows": nodes[IDS]}, opened.model.get_parameters())
    compiled = opened.core.compile_model(model, "CPU", opened.settings)
    for width in (38, 300):
        given = feeds(batch(), width)
        names = [port.get_any_name() for port in compiled.inputs]
        rows = compiled({name: given[name] for name in names})["rows"]
        assert np.array_equal(rows, batch().input_ids)


def changed(name: str, row: int, column: int, value: int) -> dict[str, np.ndarray]:
    given = feeds(batch(), 41)
    given[name][row, column] = value
    return given


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(feeds(pack([[5] * 41, [6]]), 41), id="41 tokens"),
        pytest.param(changed("attention_mask", 2, 0, 0), id="no token"),
        pytest.param(changed("input_ids", 1, 3, VOCABULARY), id="an unknown token"),
        pytest.param(changed("input_ids", 1, 3, -1), id="a negative token"),
        pytest.param(changed("token_type_ids", 0, 0, 2), id="an unknown type"),
    ],
)
def test_what_the_engine_refuses_has_no_answer(opened: Opened, given: dict[str, Any]) -> None:
    """After an answer, which OpenVINO would repeat if it failed with one thread."""
    before = opened(feeds(batch(), 41))
    assert before.shape == (len(LENGTHS), 2)
    assert opened(given).shape == (len(given["input_ids"]), 0)
    assert np.array_equal(opened(feeds(batch(), 41)), before)


def test_limits_of_the_whole_request_hold(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    graph = Opened(bundle_of(bert_checkpoint, max_batch=3, max_tokens=50))
    assert graph(feeds(pack([[5] * 20, [6] * 30]), 40)).shape == (2, 2)
    assert graph(feeds(pack([[5] * 21, [6] * 30]), 40)).shape == (2, 0)
    assert graph(feeds(pack([[5]] * 3), 1)).shape == (3, 2)
    assert graph(feeds(pack([[5]] * 4), 1)).shape == (4, 0)
