"""What comes out of an engine is looked at before anything is made of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.answers import check_answer
from ltp_deploy.backends.table import open_session, portable, read_bundle
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError, EngineFailed
from ltp_deploy.runtime.engine import load
from tests.answers import as_lists, batch_for, oracle_answers
from tests.spoil import edit_manifest

OFFSETS = np.array([0, 2, 5], np.int32)
GOOD = {
    "logits": np.zeros((2, 3), np.float32),
    "alive": np.ones((2, 2), np.int32),
    "survivors.0.kept": np.array([0, 2, 4], np.int32),
    "survivors.0.offsets": np.array([0, 1, 3], np.int32),
    "survivors.0.alive": np.ones(3, np.int32),
    "survivors.1.kept": np.array([0, 2], np.int32),
    "survivors.1.offsets": np.array([0, 1, 2], np.int32),
    "survivors.1.alive": np.ones(2, np.int32),
}
ENGINE: Any = SimpleNamespace(
    model=SimpleNamespace(num_labels=3, layers=2), outputs=("logits", "survivors.0.kept")
)


def integers(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("logits", None, "the engine has no output `logits`"),
        ("logits", np.zeros((3, 2), np.float32), r"must be float32 \[2, 3\], found float32 \[3, 2"),
        ("logits", np.zeros((2, 3), np.float16), "found float16"),
        ("logits", np.zeros(6, np.float32), r"found float32 \[6\]"),
        ("logits", np.zeros((2, 0), np.float32), r"found float32 \[2, 0\]"),
        ("alive", integers(1, 1), r"`alive` must be integer \[2, 2\]"),
        ("survivors.0.kept", None, "the engine has no output `survivors.0.kept`"),
        ("survivors.0.alive", None, r"`survivors.0.alive` must be integer \[3\], found nothing"),
        ("survivors.0.offsets", integers(0, 3), r"`survivors.0.offsets` must be integer \[3\]"),
        ("survivors.0.offsets", integers(1, 1, 3), "`survivors.0` are no rows of the 5"),
        ("survivors.0.offsets", integers(0, 4, 3), "`survivors.0` are no rows"),
        ("survivors.0.offsets", integers(0, 1, 2), "`survivors.0` are no rows"),
        ("survivors.0.kept", integers(0, 2, 5), "`survivors.0` are no rows of the 5"),
        ("survivors.0.kept", integers(-1, 2, 4), "`survivors.0` are no rows of the 5"),
        ("survivors.1.kept", integers(0, 3), "`survivors.1` are no rows of the 3"),
    ],
)
def test_an_output_of_another_form_is_refused(
    name: str, value: np.ndarray | None, message: str
) -> None:
    check_answer(GOOD, OFFSETS, ENGINE)
    found = {**GOOD, name: value} if value is not None else {k: GOOD[k] for k in GOOD if k != name}
    with pytest.raises(BundleError, match=message):
        check_answer(found, OFFSETS, ENGINE)


@pytest.mark.parametrize("labels", [1, 3])
def test_a_manifest_with_other_labels_is_refused_when_it_is_loaded(
    labels: int, bert_bundle: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(bert_bundle, tmp_path / "bundle")
    edit_manifest(bundle, lambda m: m["model"].update(num_labels=labels, labels=[]))
    with pytest.raises(
        BundleError, match=rf"must be float32 \[1, {labels}\], found float32 \[1, 2"
    ):
        load(bundle)


class Broken:
    """A session whose library fails, or answers with nothing."""

    concurrency = 1
    fails = True

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.fails:
            raise RuntimeError("Check 'it' failed at somewhere.cpp:1:\nit broke")
        return {}


def test_an_engine_that_fails_or_says_nothing_is_an_error(bert_bundle: Path) -> None:
    engine = load(bert_bundle)
    engine._session = Broken()
    with pytest.raises(EngineFailed, match=r"the engine in .* failed: it broke"):
        engine(input_ids=[[2, 3]])
    engine._session.fails = False
    with pytest.raises(BundleError, match="the engine has no output `logits`"):
        engine(input_ids=[[2, 3]])


TARGETS = ["null", "torchscript", "torch-cuda", "cpu", pytest.param("onnx", marks=pytest.mark.slow)]


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_checked_is_what_is_loaded(
    target: str, bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    """Also where every file is replaced in between, as when a new bundle takes the place."""
    if target == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    limit = {"max_batch": 2} if target == "torch-cuda" else {}
    good = bundle_of(bert_checkpoint, target, survivors=False, **limit)
    bundle = shutil.copytree(good, tmp_path / "bundle")
    expected = load(good, portable=True)(["a good film"]).logits
    files = BundleFiles(bundle)
    manifest = read_bundle(files)
    for name in manifest.files:
        (bundle / name).rename(tmp_path / "old")
        (bundle / name).write_bytes(b"another")
    form = portable(manifest)
    assert form is not None
    session = open_session(files, form)
    batch = load(good, portable=True).tokenize(["a good film"])
    found = session.run(batch.feeds(manifest.model))["logits"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("target", ["torchscript", pytest.param("onnx", marks=pytest.mark.slow)])
def test_survivors_have_no_padding_where_as_many_rows_go_on_as_came_in(
    target: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    if target == "onnx":
        pytest.importorskip("onnxruntime")
    checkpoint = checkpoint_of("bert", "absolute")
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    logits, survivors = oracle_answers(encoder, batch)
    found = load(bundle_of(checkpoint, target, compact="bounded")).run(batch)
    np.testing.assert_allclose(found.logits, logits, atol=1e-4)
    assert as_lists(found.survivors) == survivors
