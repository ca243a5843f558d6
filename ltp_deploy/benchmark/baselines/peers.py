"""Other runtimes that people use for the dense model, padded, each in its fastest form."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ltp_deploy.backends.reports import import_onnxruntime
from ltp_deploy.benchmark.baselines.baseline import BaselineRequest
from ltp_deploy.benchmark.baselines.dense import DenseModel, dense_model
from ltp_deploy.benchmark.baselines.torch import TorchSession
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner
from ltp_deploy.errors import LtpError, needs


class OnnxRuntimeSession:
    """ONNX Runtime; `session` is an `onnxruntime.InferenceSession`."""

    def __init__(self, session: Any):
        self.session = session
        self.inputs = [port.name for port in session.get_inputs()]

    def run(self, feeds: Feeds) -> Feeds:
        return {"logits": self.session.run(None, {name: feeds[name] for name in self.inputs})[0]}


def _pytorch(request: BaselineRequest) -> Runner:
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    session = TorchSession(dense_model(request.checkpoint, request.encoder), request.precision)
    # OpenMP threads spin before they sleep, which would slow down whatever is timed next.
    return Runner(f"PyTorch {request.precision}, padded", session, Layout.PADDED, settle=0.02)


def _onnxruntime(request: BaselineRequest) -> Runner:
    """Always f32: ONNX Runtime has no bf16 on CPUs."""
    with needs("the peer onnxruntime needs ONNX Runtime", "onnx"):
        onnxruntime = import_onnxruntime()
        from onnxruntime.transformers.optimizer import optimize_model
    config = request.encoder.config
    with tempfile.TemporaryDirectory() as folder:
        path, fused = Path(folder) / "dense.onnx", Path(folder) / "fused.onnx"
        _export(dense_model(request.checkpoint, request.encoder, "eager"), path)
        optimizer = optimize_model(
            str(path), "bert", num_heads=config.heads, hidden_size=config.hidden_size
        )
        if not optimizer.get_fused_operator_statistics().get("Attention"):
            raise LtpError("ONNX Runtime did not fuse this model's attention; leave the peer out")
        optimizer.save_model_to_file(str(fused))
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.intra_op_num_threads = request.threads or 0
        session = onnxruntime.InferenceSession(fused, options, ["CPUExecutionProvider"])
    return Runner("ONNX Runtime f32, padded", OnnxRuntimeSession(session), Layout.PADDED)


def _export(model: DenseModel, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            model.example(),
            path,
            input_names=model.inputs,
            output_names=["logits"],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in model.inputs},
            dynamo=False,
            verbose=False,
        )


PEERS: dict[str, Callable[[BaselineRequest], Runner]] = {
    "onnxruntime": _onnxruntime,
    "pytorch": _pytorch,
}


def open_peer(name: str, request: BaselineRequest) -> Runner:
    """Open a peer by name.

    Raises:
        LtpError: unknown, or not installed.
    """
    if name not in PEERS:
        raise LtpError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return PEERS[name](request)
