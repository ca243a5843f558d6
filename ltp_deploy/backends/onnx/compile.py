"""ONNX in standard operators: portable, executed by ONNX Runtime and checkable by anybody."""

from __future__ import annotations

from typing import Any

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.onnx.export import WEIGHTS, export
from ltp_deploy.backends.onnx.portable import make_portable

PORTABLE = "portable.onnx"


def write(job: Job) -> dict[str, Any]:
    """Export, and write the op out."""
    model = export(job)
    (job.directory / PORTABLE).write_bytes(make_portable(model).SerializeToString())
    return {
        "engine": PORTABLE,
        "weights": WEIGHTS,
        "portable": PORTABLE,
        "inputs": [port.name for port in model.graph.input],
    }
