"""ONNX in standard operators, run by ONNX Runtime. Portable and open to anybody's tools, not fast.

The export with the op as one node (`export.py`) is shared with TensorRT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ltp_deploy.backends.backend import Backend, Job, Output, Session
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord


@dataclass(frozen=True)
class OnnxEngine(EngineRecord):
    """The model, and the file that holds its weights."""

    file: FileName
    weights: FileName


class Onnx(Backend):
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"
    record = OnnxEngine

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.onnx.compile import compile_engine

        return compile_engine(job)

    def open(
        self, directory: Path, engine: Compiled, threads: int | None, throughput: bool
    ) -> Session:
        """Load the model of standard operators."""
        from ltp_deploy.backends.onnx.session import OnnxRuntimeSession

        return OnnxRuntimeSession.open(directory, engine, threads)
