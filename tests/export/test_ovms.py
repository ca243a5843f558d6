"""OpenVINO Model Server's repository, by the calls that the server itself makes. There is no server
here: its source opens a model with one `ov::Core`, to which it adds the library of --cpu_extension
and then that of openvino-tokenizers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltp_deploy
from ltp_deploy.backends.openvino.session import ISA_LIMIT
from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.builder.cpp_texts import openvino_tokenizers
from ltp_deploy.export.table import export
from tests.export.environments import hint, rounded
from tests.tiny import random_texts

pytest.importorskip("openvino_tokenizers", reason="openvino-tokenizers is not installed")
pytestmark = pytest.mark.slow

LONG = "very good " * 60  # of more tokens than fit
TEXTS = [*random_texts(20, 6), LONG, "", "Ä film?", "a dull film!"]
PAIRS = [*zip(TEXTS[:8], reversed(TEXTS[:8]), strict=True), ("good", LONG), (LONG, "bad")]


@pytest.fixture(scope="module")
def bundle(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(bert_checkpoint, cpp_texts=True)


@pytest.fixture(scope="module")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ovms") / "out"
    export(bundle, "ovms", folder, "tiny")
    return folder


def served(exported: Path) -> dict[str, Any]:
    """Compiled models by name, as the server opens those of config.json."""
    with openvino_tokenizers("the test needs openvino-tokenizers") as package:
        core = import_openvino().Core()
        core.add_extension(str(next(exported.glob("*.so"))))
        core.add_extension(package.extension)
    found = {}
    for entry in json.loads((exported / "config.json").read_text())["model_config_list"]:
        config = entry["config"]
        (file,) = (exported / config["base_path"] / "1").glob("*.xml")
        model = core.read_model(str(file))
        settings = config["plugin_config"]
        settings |= {**hint(settings["INFERENCE_PRECISION_HINT"]), "INFERENCE_NUM_THREADS": 1}
        found[config["name"]] = core.compile_model(model, config["target_device"], settings)
    return found


@pytest.fixture(scope="module")
def models(exported: Path) -> dict[str, Any]:
    return served(exported)


def test_texts_and_pairs_are_answered_as_by_the_engine(
    bundle: Path, models: dict[str, Any]
) -> None:
    engine = ltp_deploy.load(bundle, threads=1)
    texts = models["tiny"]({"texts": TEXTS})["logits"]
    assert np.allclose(texts, engine(TEXTS).logits, rtol=0, atol=1e-6)
    first, second = (list(column) for column in zip(*PAIRS, strict=True))
    pairs = models["tiny-pairs"]({"texts": first, "seconds": second})["logits"]
    assert np.allclose(pairs, engine(PAIRS).logits, rtol=0, atol=1e-6)


def test_a_reduced_precision_answers_as_its_engine(reduced: Path, tmp_path: Path) -> None:
    export(reduced, "ovms", tmp_path / "out", "tiny")
    with ltp_deploy.load(reduced, threads=1) as engine:
        expected = engine(TEXTS).logits
    assert rounded(served(tmp_path / "out")["tiny"]({"texts": TEXTS})["logits"], expected)


def test_the_server_is_told_the_precision_whatever_this_process_may_use(
    bert_checkpoint: Path,
    bundle_of: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = bundle_of(bert_checkpoint, cpp_texts=True, precision="bf16")
    monkeypatch.setenv(ISA_LIMIT, "AVX2")
    export(bundle, "ovms", tmp_path / "out", "tiny")
    for entry in json.loads((tmp_path / "out/config.json").read_text())["model_config_list"]:
        assert entry["config"]["plugin_config"]["INFERENCE_PRECISION_HINT"] == "bf16"


def test_a_text_with_a_character_that_is_read_otherwise_has_no_answer(
    bundle: Path, models: dict[str, Any]
) -> None:
    """U+31350 is assigned since Unicode 15, and private use is refused as well."""
    refused = (bundle / "cpp_texts/refused.txt").read_text().splitlines()
    first = int(refused[0].split()[0], 16)
    for character in (chr(first), "\U00040000", "\U0010ffff"):
        texts = ["a film", f"good{character}bad"]
        assert models["tiny"]({"texts": texts})["logits"].shape == (2, 0)
        pairs = {"texts": ["a film", "good"], "seconds": texts}
        assert models["tiny-pairs"](pairs)["logits"].shape == (2, 0)
    assert models["tiny"]({"texts": ["a film"]})["logits"].shape == (1, 2)


def test_an_embedding_model_gives_vectors(
    once: Any, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    from tests.embeddings import save_embedding
    from tests.tiny import POLICIES

    checkpoint = once(
        lambda new: save_embedding(new, "bert", POLICIES["absolute"]), "embedding", "ovms"
    )
    bundle = bundle_of(checkpoint, cpp_texts=True, survivors=False)
    export(bundle, "ovms", tmp_path / "out", "tiny")
    vectors = served(tmp_path / "out")["tiny"]({"texts": TEXTS})["logits"]
    assert np.allclose(vectors, ltp_deploy.load(bundle).encode(TEXTS), rtol=0, atol=1e-6)
