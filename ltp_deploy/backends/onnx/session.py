"""Running a portable ONNX model in ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.errors import BundleError, needs


class OnnxRuntimeSession:
    """An inference session; it has no state, so threads may share it."""

    def __init__(self, session: Any, inputs: list[str], outputs: list[str]):
        self.session = session
        self.inputs = inputs
        self.outputs = outputs
        self.concurrency = 1

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        values = self.session.run(self.outputs, {name: feeds[name] for name in self.inputs})
        return dict(zip(self.outputs, values, strict=True))


def open_session(
    directory: Path, manifest: dict[str, Any], threads: int | None, throughput: bool
) -> OnnxRuntimeSession:
    """Load the bundle's model of standard operators."""
    with needs(f"{directory} runs in ONNX Runtime", "onnx", BundleError):
        import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        directory / manifest["portable"], options, providers=["CPUExecutionProvider"]
    )
    return OnnxRuntimeSession(session, manifest["inputs"], manifest["outputs"])
