"""ONNX in standard operators, run by ONNX Runtime. Portable and open to anybody's tools, not fast.

The export with the op as one node (`export.py`) is shared with TensorRT.
"""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.backends.backend import Backend, Job, Output, RunOptions, Session
from ltp_deploy.backends.openvino import OpenVino
from ltp_deploy.bundle.files import BundleFiles, FileName
from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.model.config import EncoderConfig


@dataclass(frozen=True)
class OnnxEngine(EngineRecord):
    """The model, and the file that holds its weights."""

    file: FileName
    weights: FileName


class Onnx(Backend):
    """ONNX Runtime on the CPU."""

    name = "onnxruntime"
    record = OnnxEngine

    def misfit(self, config: EncoderConfig, precision: str) -> str | None:
        """In int8, what cannot be calibrated: that takes the kernels of the CPU."""
        return OpenVino().misfit(config, "f32") if precision == "int8" else None

    def compile(self, job: Job) -> Output:
        """See `compile.compile_engine`."""
        from ltp_deploy.backends.onnx.compile import compile_engine

        return compile_engine(job)

    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """Load the model of standard operators."""
        from ltp_deploy.backends.onnx.session import OnnxRuntimeSession

        return OnnxRuntimeSession.open(files, engine, options.threads)
