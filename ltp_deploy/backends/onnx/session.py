"""Running a portable ONNX model in ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.answers import without_padding
from ltp_deploy.backends.onnx import OnnxEngine
from ltp_deploy.backends.reports import import_onnxruntime
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.errors import BundleError, needs


class OnnxRuntimeSession:
    """An `onnxruntime.InferenceSession`; it has no state, so threads may share it."""

    def __init__(self, session: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]):
        self.session = session
        self.inputs = inputs
        self.outputs = outputs
        self.concurrency = 1

    @classmethod
    def open(cls, files: BundleFiles, engine: Compiled, threads: int | None) -> OnnxRuntimeSession:
        """Load the bundle's model of standard operators.

        Raises:
            BundleError: ONNX Runtime is missing.
        """
        with needs(f"{files.directory} runs in ONNX Runtime", "onnxruntime", BundleError):
            ort = import_onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        record = engine.record(OnnxEngine)
        model, weights = files.file(record.file).data, files.file(record.weights).data
        options.add_external_initializers_from_files_in_memory(
            [record.weights], [weights], [len(weights)]
        )
        session = ort.InferenceSession(bytes(model), options, providers=["CPUExecutionProvider"])
        return cls(session, engine.inputs, engine.outputs)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named inputs to named outputs."""
        values = self.session.run(list(self.outputs), {name: feeds[name] for name in self.inputs})
        found = dict(zip(self.outputs, values, strict=True))
        return without_padding(found, len(feeds["offsets"]) - 1)
