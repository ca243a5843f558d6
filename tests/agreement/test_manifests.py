"""What one runtime refuses in a manifest the other refuses too: nearly each value that a manifest
has, left out, in company, or replaced. All documents are signed, and read by both."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.backends.onnx import OnnxEngine
from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.tensorrt import BuildCost, TensorRtEngine
from ltp_deploy.backends.tensorrt.layers import LayerCounts
from ltp_deploy.bundle.files import FileName, FolderName, named_files
from ltp_deploy.bundle.manifest import INPUTS, MANIFEST, MANIFEST_HASH, Manifest, write_manifest
from ltp_deploy.bundle.options import PRECISIONS
from ltp_deploy.bundle.plan import Prediction
from ltp_deploy.bundle.tokenizer import CppTexts, Ir
from ltp_deploy.errors import BundleError
from ltp_deploy.heads import HEADS
from ltp_deploy.model.config import ANSWER_ACTIVATIONS, POOLINGS, Embedding
from ltp_deploy.model.flops import LayerFlops
from ltp_deploy.model.survivors import SurvivorSummary
from tests.agreement.conftest import AskOne
from tests.agreement.manifest_schema import FILE, in_cpp, manifest_schema

VALUES = (None, True, 0, -1, 1.5, 2**31, 2**63, 10**400, "", "x", [], {})

Place = tuple[str | int, ...]
Verdicts = Callable[[Any], tuple[str, str]]

ACCEPTED = "accepted"  # as answers.cpp says it


def test_cpp_has_the_schema_of_the_dataclasses() -> None:
    assert FILE.read_text() == in_cpp(manifest_schema()), (
        "write it anew: python -m tests.agreement.manifest_schema"
    )


def full(manifest: Manifest) -> Manifest:
    """Everything that may be null is there."""
    assert manifest.tokenizer is not None
    layers = tuple(
        replace(layer, entering=9.5, carried=4, flops=LayerFlops(1, 2.5, 3, 4), seconds=1e-5)
        for layer in manifest.plan.layers
    )
    one, other = (Ir(FileName(f"cpp/{n}.xml"), FileName(f"cpp/{n}.bin")) for n in ("one", "two"))
    texts = CppTexts(one, other, FileName("cpp/refused.txt"), "2026.4.1")
    shares = (0.5,) * len(layers)
    return replace(
        manifest,
        options=replace(
            manifest.options, usual_batch=4, max_tokens=80, max_batch=7, not_int8=(0, 2)
        ),
        plan=replace(
            manifest.plan, layers=layers, prediction=Prediction("T4", 8, 90, True, 1e-4, 2e-4)
        ),
        limits=replace(manifest.limits, max_tokens=80, max_batch=7),
        tokenizer=replace(manifest.tokenizer, cpp_texts=texts),
        calibration=FileName("calibration.json"),
        profile=SurvivorSummary(5, 10.5, shares, shares),
    )


def bare(manifest: Manifest) -> Manifest:
    """Everything that may be null is, but what an embedding model has."""
    embedding = Embedding("frozen", "tanh", True, {"query": "Q: "}, "query")
    plain = replace(manifest.model, head="embedding", labels=(), embedding=embedding)
    return replace(
        manifest, model=plain, tokenizer=None, calibration=None, profile=None, parity=None
    )


def multi_label(manifest: Manifest) -> Manifest:
    model = replace(manifest.model, head="multi_label", label_thresholds=(0.25, 0.75))
    options = replace(manifest.options, label_thresholds={"bad": 0.25, "good": 0.75})
    return replace(bare(manifest), model=model, options=options)


def tensorrt(manifest: Manifest) -> Manifest:
    plan, onnx, weights, listed, plugin, kernels = map(
        FileName, ("engine.plan", "a.onnx", "a.bin", "layers.json", "libltp.so", "kernels")
    )
    engine = TensorRtEngine(
        *(plan, onnx, weights, listed, plugin, kernels, "5e", "tensorrt", "tensorrt", "7.5"),
        *(LayerCounts(3, 1, 12, 12, 0, 3, 6), BuildCost(61.5, 900), OnnxEngine(onnx, weights)),
    )
    versions = {"tensorrt": "10.9.0", "ltp_deploy": "0.1.0"}
    return replace(full(manifest), backend="tensorrt", engine=engine, versions=versions)


MANIFESTS = {made.__name__: made for made in (full, bare, multi_label, tensorrt)}


def write_bundle(directory: Path, manifest: Manifest) -> dict[str, Any]:
    """A bundle that can be read, though not opened; returns its manifest."""
    for name in named_files(manifest):
        path = directory / name
        path = path / "tokenizer.json" if isinstance(name, FolderName) else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    write_manifest(directory, manifest)
    document: dict[str, Any] = json.loads((directory / MANIFEST).read_text())
    return document


@pytest.fixture(params=MANIFESTS)
def bundle(request: pytest.FixtureRequest, bert_bundle: Path, tmp_path: Path) -> Path:
    write_bundle(tmp_path, MANIFESTS[request.param](read_bundle(bert_bundle)))
    return tmp_path


@pytest.fixture
def verdicts(bundle: Path, ask_one: AskOne) -> Verdicts:
    """A document -> what both say of the bundle when that is its manifest."""

    def read(document: Any) -> tuple[str, str]:
        encoded = json.dumps(document).encode()
        for name, content in (
            (MANIFEST, encoded),
            (MANIFEST_HASH, hashlib.sha256(encoded).hexdigest().encode()),
        ):
            (bundle / name).unlink()  # a reader may hold it
            (bundle / name).write_bytes(content)
        try:
            read_bundle(bundle)
            python = ACCEPTED
        except BundleError as error:
            python = str(error)
        return python, ask_one(f"bundle {bundle}")

    return read


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """All values in a document, itself included."""
    yield place, value
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        yield from places(value[key], (*place, key))


def others(value: Any) -> Iterator[Any]:
    """What may stand in the place of a value."""
    yield from VALUES
    if isinstance(value, dict):
        yield {**value, "unknown": 1}
        yield {**value, "unknown": "x"}
    if isinstance(value, list) and value:
        yield [*value, value[-1]]
    if isinstance(value, str):
        yield value.upper()
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (value - 1, value + 1, float(value))


def changed(document: Any, place: Place, *value: Any) -> Any:
    """The document with another value at a place; with none there where none is given."""
    if not place:
        return value[0]
    result = copy.copy(document)
    key = place[0]
    if len(place) > 1 or value:
        result[key] = changed(document[key], place[1:], *value)
    else:
        del result[key]
    return result


def edits(document: Any) -> Iterator[tuple[str, Any]]:
    """Each change of one value, with its name."""
    for place, old in places(document):
        name = ".".join(map(str, place))
        if place:
            yield f"{name} left out", changed(document, place)
        for new in others(old):
            yield f"{name}: {new!r:.80}", changed(document, place, new)


@pytest.mark.slow
def test_both_refuse_the_same(bundle: Path, verdicts: Verdicts) -> None:
    document = json.loads((bundle / MANIFEST).read_text())
    assert verdicts(document) == (ACCEPTED, ACCEPTED)
    found = {name: verdicts(new) for name, new in edits(document)}
    assert {n: v for n, v in found.items() if (v[0] == ACCEPTED) != (v[1] == ACCEPTED)} == {}
    accepted = sum(python == ACCEPTED for python, _ in found.values())
    assert len(found) > 2000
    assert 50 < accepted < len(found) / 5


NAMES: list[tuple[Place, tuple[str, ...]]] = [
    (("precision",), PRECISIONS),
    (("activations",), PRECISIONS),
    (("inputs", 0), INPUTS),
    (("model", "head"), tuple(HEADS)),
    (("model", "answer_activation"), tuple(ANSWER_ACTIVATIONS)),
    (("model", "embedding", "pooling"), POOLINGS),
]


@pytest.mark.parametrize("bundle", ["bare"], indirect=True)
def test_both_know_the_same_names(bundle: Path, verdicts: Verdicts) -> None:
    document = json.loads((bundle / MANIFEST).read_text())
    for place, names in NAMES:
        for name in names:
            found = verdicts(changed(document, place, name))
            assert found == (ACCEPTED, ACCEPTED), (place, name)


PAIRS: list[tuple[str, dict[Place, Any]]] = [
    ("full", {("model", "policy", "layers", 0): {"mode": "topk", "threshold": 1.5}}),
    ("full", {("model", "policy", "layers", 0): {"mode": "topk", "threshold": 1}}),
    ("full", {("model", "hidden_size"): 30, ("model", "heads"): 4}),
    ("full", {("model", "position_rows"): 50, ("model", "max_length"): 50}),
    ("full", {("model", "position_rows"): 2**40, ("model", "max_length"): 2**40}),
    ("full", {("model", "layers"): 2, ("plan", "layers"): []}),
    ("full", {("platform", "machine"): "other"}),
    ("tensorrt", {("platform", "machine"): "other"}),
    ("tensorrt", {("platform", "machine"): "other", ("engine", "plugin"): None}),
    ("tensorrt", {("backend",): "openvino"}),
    ("full", {("backend",): "tensorrt"}),
    ("full", {("versions",): {}}),
    ("bare", {("model", "policy", "first_token"): "reference"}),
    (
        "bare",
        {
            ("model", "policy", "first_token"): "reference",
            ("model", "embedding", "pooling"): "first",
        },
    ),
    ("bare", {("model", "embedding", "prompts"): {}}),
    (
        "bare",
        {("model", "embedding", "prompts"): {}, ("model", "embedding", "default_prompt"): None},
    ),
    ("multi_label", {("model", "head"): "ranking"}),
    ("multi_label", {("model", "label_thresholds"): [1e-300, 1 - 2**-53]}),
    ("multi_label", {("model", "label_thresholds"): [0.5, 1]}),
    ("multi_label", {("model", "num_labels"): 3}),
    ("full", {("model", "pad_token_id"): 99, ("model", "vocab_size"): 99}),
    ("full", {("model", "pad_token_id"): 98, ("model", "vocab_size"): 99}),
    (
        "full",
        {
            ("model", "position_start"): 40,
            ("model", "position_rows"): 40,
            ("model", "max_length"): 0,
        },
    ),
    ("full", {("options", "score_length"): 2**63}),
    ("full", {("model", "policy", "score_length"): 2**63 - 1}),
    ("full", {("options", "label_thresholds"): {"a": 10**300}}),
]


@pytest.mark.parametrize(
    ("bundle", "values"), PAIRS, indirect=["bundle"], ids=lambda value: f"{value!s:.60}"
)
def test_both_judge_entries_together(
    bundle: Path, values: dict[Place, Any], verdicts: Verdicts
) -> None:
    document = json.loads((bundle / MANIFEST).read_text())
    for place, value in values.items():
        document = changed(document, place, value)
    python, cpp = verdicts(document)
    assert (python == ACCEPTED) == (cpp == ACCEPTED), (python, cpp)
