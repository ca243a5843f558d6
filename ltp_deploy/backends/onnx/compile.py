"""ONNX in standard operators: portable, executed by ONNX Runtime and checkable by anybody."""

from __future__ import annotations

from ltp_deploy.backends.backend import Job, Output
from ltp_deploy.backends.onnx import OnnxEngine
from ltp_deploy.backends.onnx.export import WEIGHTS, export
from ltp_deploy.backends.onnx.portable import make_portable
from ltp_deploy.bundle.files import FileName

PORTABLE = FileName("portable.onnx")


def compile_engine(job: Job) -> Output:
    """Export with the op as one node, then write that node out in standard operators."""
    model = export(job)
    (job.directory / PORTABLE).write_bytes(make_portable(model).SerializeToString())
    inputs = tuple(port.name for port in model.graph.input)
    return Output(OnnxEngine(PORTABLE, WEIGHTS), inputs)
