"""Other runtimes that people use for the dense model, each in its fastest form."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.torch import TorchSession
from ltp_deploy.benchmark.sides import Feeds, Layout, Side
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder


class OnnxRuntimeSession:
    """ONNX Runtime; `session` is an `onnxruntime.InferenceSession`."""

    def __init__(self, session: Any):
        self.session = session
        self.inputs = [port.name for port in session.get_inputs()]

    def run(self, feeds: Feeds) -> Feeds:
        return {"logits": self.session.run(None, {name: feeds[name] for name in self.inputs})[0]}


def _pytorch(checkpoint: Path, encoder: Encoder, precision: str, threads: int | None) -> Side:
    if threads is not None:
        torch.set_num_threads(threads)
    session = TorchSession(dense_model(checkpoint, encoder), precision)
    # OpenMP threads spin before they sleep, which would slow down whoever is timed next.
    return Side(f"PyTorch {precision}, padded", session, Layout.PADDED, settle=0.02)


def _onnxruntime(checkpoint: Path, encoder: Encoder, precision: str, threads: int | None) -> Side:
    """Always f32: ONNX Runtime has no bf16 on CPUs."""
    try:
        import onnxruntime
        from onnxruntime.transformers.optimizer import optimize_model
    except ImportError as error:
        raise LtpError(
            f"the peer onnxruntime is not installed ({error}); run `pip install 'ltp-deploy[onnx]'`"
        ) from error
    config = encoder.config
    model = dense_model(checkpoint, encoder, "eager")
    with tempfile.TemporaryDirectory() as folder:
        path, fused = Path(folder) / "dense.onnx", Path(folder) / "fused.onnx"
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
        optimizer = optimize_model(
            str(path), "bert", num_heads=config.heads, hidden_size=config.hidden_size
        )
        if not optimizer.get_fused_operator_statistics().get("Attention"):
            raise LtpError("ONNX Runtime did not fuse this model's attention; leave the peer out")
        optimizer.save_model_to_file(str(fused))
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.intra_op_num_threads = threads or 0
        session = onnxruntime.InferenceSession(fused, options, ["CPUExecutionProvider"])
    return Side("ONNX Runtime f32, padded", OnnxRuntimeSession(session), Layout.PADDED)


PEERS: dict[str, Callable[[Path, Encoder, str, int | None], Side]] = {
    "onnxruntime": _onnxruntime,
    "pytorch": _pytorch,
}


def open_peer(
    name: str, checkpoint: Path, encoder: Encoder, precision: str, threads: int | None
) -> Side:
    """Open a peer by name.

    Raises:
        LtpError: unknown, or not installed.
    """
    if name not in PEERS:
        raise LtpError(f"unknown peer {name!r}; known: {', '.join(PEERS)}")
    return PEERS[name](checkpoint, encoder, precision, threads)
