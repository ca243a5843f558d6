"""Of other libraries' errors one line is left, the one that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.backends.messages import in_one_line, reason
from ltp_deploy.backends.openvino import MAX_INT8_DEPTH, OpenVino
from ltp_deploy.backends.table import open_session
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.model.policy import PrunePolicy
from tests.answers import batch_for, oracle_answers
from tests.model.problems import tiny_encoder

VALIDATION = """Check 'false' failed at src/frontends/common/src/report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
-- ltp::pruned_attention with a message:
RuntimeError: Check 'size <= 256' failed at pruned_attention_op.cpp:95:
While validating node 'ltp::PrunedAttention PrunedAttention_187 (f32[?,156]) -> ()' with name 'x':
the head size is 264, expected a multiple of 8 up to 256


At:
  openvino/utils/node_factory.py(58): create
"""
NESTED = """Exception from src/inference/src/cpp/core.cpp:118:
Exception from src/inference/src/dev/plugin.cpp:58:
Check 'handle' failed at src/plugin_loader.cpp:23:
Cannot load library 'a.so'
"""
BARE = "Exception from src/inference/src/cpp/core.cpp:118:\n"
TORCH = "PytorchStreamReader failed: no central directory\nException raised from valid at a.cc:36\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (VALIDATION, "the head size is 264, expected a multiple of 8 up to 256"),
        (NESTED, "Cannot load library 'a.so'"),
        (BARE, BARE.strip()),
        (TORCH, "PytorchStreamReader failed: no central directory"),
        ("", "no reason was given"),
    ],
)
def test_the_reason_is_found(message: str, expected: str) -> None:
    assert reason(message) == expected


def test_errors_that_are_ours_pass() -> None:
    for error in (LtpError("ours\nand long"), KeyError("a bug")):
        with pytest.raises(type(error)) as raised, in_one_line("no library failed"):
            raise error
        assert raised.value is error


@pytest.mark.parametrize(
    ("shape", "precision", "said"),
    [
        ({"hidden_size": 264, "heads": 1}, "f32", "the head size is 264, expected a multiple of 8"),
        ({"intermediate_size": 65537}, "int8-dynamic", "depth 65537 is too large for int8"),
    ],
)
def test_what_the_plugin_refuses_takes_one_line(
    shape: dict[str, int],
    precision: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As it would reach a user, had `misfit` let the shape pass."""
    monkeypatch.setattr(OpenVino, "misfit", lambda *arguments: None)
    draft = draft_encoder(
        tiny_encoder(PrunePolicy.dense(1), **shape), BuildOptions("cpu", precision)
    )
    with pytest.raises(LtpError, match=rf"^OpenVINO did not build the engine: {said}[^\n]*$"):
        compile_engine(draft, tmp_path)


def test_the_largest_that_the_plugin_takes_is_not_refused(tmp_path: Path) -> None:
    encoder = tiny_encoder(
        PrunePolicy.dense(1), heads=1, hidden_size=256, intermediate_size=MAX_INT8_DEPTH
    )
    draft = draft_encoder(encoder, BuildOptions("cpu", "int8-dynamic"))
    session = open_session(tmp_path, compile_engine(draft, tmp_path))
    batch = batch_for(encoder, (5, 2))
    found = session.run(batch.feeds(encoder.config))["logits"]
    expected, _ = oracle_answers(encoder, batch)
    assert np.abs(found - expected).mean() < 0.2 * np.abs(expected).max()


@pytest.mark.parametrize("target", ["cpu", pytest.param("onnx", marks=pytest.mark.slow)])
def test_an_engine_that_a_library_cannot_read_takes_one_line(target: str, tmp_path: Path) -> None:
    if target == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    encoder = tiny_encoder(PrunePolicy.dense(1))
    compiled = compile_engine(draft_encoder(encoder, BuildOptions(target)), tmp_path)
    (tmp_path / vars(compiled.engine)["file"]).write_text("not an engine")
    with pytest.raises(BundleError, match=r"^(openvino|onnxruntime) cannot run [^\n]+: [^\n]+$"):
        open_session(tmp_path, compiled)
