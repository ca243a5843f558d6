"""The C++ runtime gives the same answers as the Python one on the same bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.builder import cpp_texts
from ltp_deploy.builder.build import build as build_bundle
from ltp_deploy.bundle.native import PACKAGE
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.data.probes import PROBES
from ltp_deploy.data.texts import Text
from ltp_deploy.runtime.engine import load
from tests.embeddings import save_embedding
from tests.tiny import POLICIES, random_texts, save_tiny, save_tokenizer

ROOT = Path(__file__).parents[1]
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
LTP_RUN = PACKAGE / "bin" / "ltp-run"


def run(*command: object, input: str | None = None, **environment: str) -> str:
    arguments = [str(part) for part in command]
    everything = {**os.environ, "PATH": PATH, **environment}
    result = subprocess.run(arguments, input=input, capture_output=True, text=True, env=everything)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.skipif(not LTP_RUN.is_file(), reason="ltp-run is not built into the package")
@pytest.mark.parametrize("policy", ["absolute", "topk", None])
def test_ltp_run_prints_the_logits_of_the_python_engine(
    policy: str | None, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint_of("roberta", policy), survivors=False)
    engine = load(bundle)
    random = np.random.default_rng(3)
    rows = [random.integers(3, engine.config.vocab_size, n) for n in (1, 9, 4, 16, 2)]
    lines = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    for factor in (1, 0, 0.6, 1.4):
        printed = run(LTP_RUN, "--batch", 2, "--pruning", factor, bundle, input=lines)
        logits = np.array([line.split() for line in printed.splitlines()], np.float32)
        with load(bundle, pruning=factor) as engine:
            np.testing.assert_allclose(logits, engine(input_ids=rows).logits, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not LTP_RUN.is_file(), reason="ltp-run is not built into the package")
@pytest.mark.parametrize("precision", ["f32", "int8-dynamic"])
@pytest.mark.parametrize("head", ["ranking", "frozen", "survivors"])
def test_ltp_run_gives_scores_and_vectors(head: str, precision: str, tmp_path: Path) -> None:
    if head == "ranking":
        save_tiny(tmp_path / "model", "bert", POLICIES["relative"], labels=1)
    else:
        save_embedding(tmp_path / "model", ltp=POLICIES["relative"], ltp_pooling=head)
    build_bundle(tmp_path / "model", tmp_path / "bundle", BuildOptions(precision=precision))
    rows = [[5, 6, 7, 9, 12, 8], [5, 6], [11, 12, 13, 9, 9, 6, 5, 7]]
    lines = "".join(" ".join(map(str, row)) + "\n" for row in rows)
    printed = run(LTP_RUN, tmp_path / "bundle", input=lines)
    found = np.array([line.split() for line in printed.splitlines()], np.float32)
    expected = load(tmp_path / "bundle")(input_ids=rows).logits
    assert expected.shape == (3, 1 if head == "ranking" else 64)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not LTP_RUN.is_file(), reason="ltp-run is not built into the package")
def test_ltp_run_takes_a_limit_on_instructions_that_rules_out_bf16(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, precision="bf16")
    printed = run(LTP_RUN, bundle, input="5 6 7\n", ONEDNN_MAX_CPU_ISA="avx2")
    expected = load(bundle)(input_ids=[[5, 6, 7]]).logits
    np.testing.assert_allclose([[float(x) for x in printed.split()]], expected, atol=0.1)


@pytest.mark.slow
@pytest.mark.skipif(not LTP_RUN.is_file(), reason="ltp-run is not built into the package")
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_ltp_run_reads_texts_as_the_python_engine_does(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "openvino-tokenizers is not installed"
    library = pytest.importorskip("openvino_tokenizers", reason=reason)._ext_path
    probes = [text for text in PROBES if not set("".join(text)) & set("\t\r\n\0")]
    characters = sorted({ord(c) for text in probes for c in "".join(text)})
    monkeypatch.setattr(cpp_texts, "TRIED", [range(c, c + 1) for c in characters])
    checkpoint = save_tiny(tmp_path / "checkpoint", family, POLICIES["absolute"])
    save_tokenizer(checkpoint)
    build_bundle(checkpoint, tmp_path / "bundle", BuildOptions(cpp_texts=True))
    texts: list[Text] = [*random_texts(20, 5), "", "good film " * 40, ("a film", "not bad " * 40)]
    texts += [*probes, ("the " * 40, "film " * 41), ("the film", "")]
    lines = "".join("\t".join([text] if isinstance(text, str) else text) + "\n" for text in texts)
    arguments = (LTP_RUN, "--text", "--tokenizers", library, "--batch", 7, tmp_path / "bundle")
    printed = run(*arguments, input=lines)
    engine = load(tmp_path / "bundle", threads=1)
    assert engine(texts).truncated.sum() > 5
    logits = np.array([line.split() for line in printed.splitlines()], np.float32)
    np.testing.assert_allclose(logits, engine(texts).logits, atol=1e-6)


@pytest.mark.full
def test_the_cpp_example_builds_and_classifies(tmp_path: Path) -> None:
    """The steps of examples/cpp/README.md."""
    openvino = Path(import_openvino().__file__).parent
    cmake = ["cmake", "-G", "Ninja", f"-DOpenVINO_DIR={openvino / 'cmake'}"]
    library, build, installed = tmp_path / "engines", tmp_path / "classify", tmp_path / "ltp"
    run(*cmake, "-S", ROOT / "engines", "-B", library, "-DCMAKE_BUILD_TYPE=Release")
    run("cmake", "--build", library)
    run("cmake", "--install", library, "--component", "devel", "--prefix", installed)
    run(*cmake, "-S", ROOT / "examples/cpp", "-B", build, f"-DCMAKE_PREFIX_PATH={installed}")
    run("cmake", "--build", build)

    checkpoint = save_tiny(tmp_path / "bert", "bert", None, vocab_size=12000)
    build_bundle(checkpoint, tmp_path / "bundle")
    printed = run(build / "classify", tmp_path / "bundle").splitlines()
    sequences = [[101, 1037, 2307, 3185, 102], [101, 2009, 2001, 11771, 102]]
    expected = load(tmp_path / "bundle")(input_ids=sequences).logits
    for line, row in zip(printed, expected, strict=True):
        assert f"class {row.argmax()}" in line
        found = [float(value) for value in line.split("logits")[1].split()]
        np.testing.assert_allclose(found, row, rtol=1e-4)
