"""Dense TensorRT engines, built for a T4 that is not here, their padded model run on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.backends.tensorrt import TensorRtEngine, loaded
from ltp_deploy.benchmark.baselines import BaselineRequest, tensorrt
from ltp_deploy.benchmark.baselines.tensorrt import PaddedSession, build_padded, dense_draft
from ltp_deploy.benchmark.runner import padded_feeds
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cuda import memory
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from tests.answers import batch_for
from tests.backends.fake_cuda import FakeContext, FakeEngine, FakeRuntime, fake_tensorrt
from tests.tiny import LAYERS

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")


class Engine(SimpleNamespace):
    """What a baseline asks of the engine that is timed, which cannot be loaded here."""

    @classmethod
    def of(cls, bundle: Path) -> Engine:
        return cls(directory=bundle, manifest=read_bundle(bundle))


class OnnxModel:
    """A padded ONNX model in ONNX Runtime, as the session of a fake of TensorRT."""

    def __init__(self, path: Path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"logits": self.session.run(["logits"], feeds)[0]}


class PaddedContext(FakeContext):
    """Takes the shapes of padded tensors."""

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = shape
        return True

    def _execute(self, shapes: dict[str, tuple[int, ...]]) -> None:
        feeds = {name: self.read(name, shape) for name, shape in shapes.items()}
        self.write("logits", self.model.run(feeds)["logits"])


@pytest.fixture(scope="module", params=["fp16", "int8"])
def padded(
    request: pytest.FixtureRequest,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """A request for baselines, and the padded engine that it gives in a precision."""
    if request.param == "int8":
        pytest.importorskip("nncf")
    checkpoint = checkpoint_of("roberta", "absolute")
    bundle = bundle_of(checkpoint, "t4", survivors=False)
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder, (25, 5, 1, 18, 30, 27, 12, 8))
    samples = [batch.select([i]) for i in range(batch.sequences)]
    asked = BaselineRequest(
        checkpoint, encoder, "fp16", "fp16", "cuda", (), None, samples, Engine.of(bundle)
    )
    folder = tmp_path_factory.mktemp("padded")
    draft = dense_draft(asked, request.param)
    plan = build_padded(draft, asked.engine.manifest.record(TensorRtEngine), folder)
    return SimpleNamespace(
        encoder=encoder, asked=asked, draft=draft, folder=folder, plan=plan, precision=request.param
    )


@pytest.mark.slow
def test_the_padded_model_is_the_dense_model(padded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeRuntime()
    monkeypatch.setattr(memory, "runtime", lambda: cuda)
    trt = fake_tensorrt("1.7", OnnxModel(padded.folder / "padded.onnx"), cuda)
    monkeypatch.setattr(loaded, "RTX", SimpleNamespace(name="not this one"))
    library = SimpleNamespace(load=lambda: trt)
    monkeypatch.setattr(tensorrt, "LIBRARIES", {"tensorrt_rtx": library})
    monkeypatch.setattr(FakeEngine, "context", PaddedContext)
    session = PaddedSession(b"ftrt", padded.asked.engine.manifest)
    config = padded.encoder.config
    dense = padded.encoder.with_policy(PrunePolicy.dense(LAYERS))
    for number, lengths in enumerate(((25, 5, 1, 18), (7,), (30, 30, 3)), 1):
        for _ in range(3):
            batch = batch_for(padded.encoder, lengths)
            expected = run_oracle(dense, batch).logits
            found = session.run(padded_feeds(batch, config))["logits"]
            if padded.precision == "fp16":
                np.testing.assert_allclose(found, expected, atol=0.02)
            else:  # of random weights, calibrated on a few random sequences
                assert 0 < np.abs(found - expected).mean() < 0.3
        assert cuda.launches == number  # the third time of each


@pytest.mark.slow
def test_padded_engines_have_tensorrts_own_attention(padded: Any) -> None:
    onnx = pytest.importorskip("onnx")
    assert len(padded.plan) > 1000
    model = onnx.load(padded.folder / "padded.onnx", load_external_data=False)
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["Gemm"] == 4 * LAYERS + 2
    assert kinds["Softmax"] == LAYERS
    assert not any(node.domain for node in model.graph.node)
    assert kinds["QuantizeLinear"] == (4 * LAYERS + 1 if padded.precision == "int8" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("padded", ["fp16"], indirect=True)
def test_both_precisions_and_layouts_are_there_the_engines_own_first(
    padded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    opened = []
    monkeypatch.setattr(tensorrt, "open_session", lambda *given: opened.append(given) or "session")
    monkeypatch.setattr(tensorrt, "PaddedSession", lambda plan, compiled: "padded session")
    found = tensorrt.baselines(padded.asked)
    assert [runner.name for runner in found] == [
        "TensorRT dense fp16, padded",
        "TensorRT dense fp16, unpadded",
        "TensorRT dense int8, padded",
        "TensorRT dense int8, unpadded",
    ]
    counts = [given[1].record(TensorRtEngine).layers for given in opened]
    assert [count.plugins for count in counts] == [LAYERS] * 2
    assert [count.host_syncs for count in counts] == [0] * 2
    assert [count.products_int8 for count in counts] == [0, 4 * LAYERS + 1]
