"""Running an OpenVINO bundle."""

from __future__ import annotations

import os
import platform
import queue
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.backend import RunOptions
from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.openvino import OpenVinoEngine
from ltp_deploy.backends.openvino.alive import AliveCounts
from ltp_deploy.backends.openvino.dial import scale_thresholds
from ltp_deploy.backends.openvino.survivors import ReportedSurvivors
from ltp_deploy.backends.reports import import_openvino
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.bundle.mapping import MappedFile
from ltp_deploy.errors import BundleError

ISA_LIMIT = "ONEDNN_MAX_CPU_ISA"  # oneDNN reads it when a process first loads the CPU plugin
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")


class OpenVinoSession:
    """A compiled model and a pool of infer requests."""

    def __init__(
        self,
        compiled: Any,
        inputs: Sequence[str],
        added: AliveCounts | ReportedSurvivors | None = None,
        weights: MappedFile | None = None,
    ):
        self.compiled = compiled
        self.added = added
        self.inputs = inputs
        self.concurrency = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.outputs = [port.get_any_name() for port in compiled.outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.concurrency):
            self._idle.put(compiled.create_infer_request())
        # Read where they lie; last, since attributes are let go in order, and requests use them.
        self.weights = weights

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        request = self._idle.get()
        try:
            # Not `infer`: with one thread, that of OpenVINO 2026.4 hides errors, and the outputs
            # are those of the request before.
            request.start_async({name: feeds[name] for name in self.inputs}, share_inputs=True)
            request.wait()
            values = [np.array(request.get_output_tensor(i).data) for i in range(len(self.outputs))]
        finally:
            self._idle.put(request)
        found = dict(zip(self.outputs, values, strict=True))
        return self.added.read(found, feeds["offsets"]) if self.added else found


def open_engine(files: BundleFiles, engine: Compiled, options: RunOptions) -> OpenVinoSession:
    """Compile the bundle's engine for this CPU.

    Raises:
        BundleError: it was built with another release of OpenVINO.
    """
    record = engine.record(OpenVinoEngine)
    ov = import_openvino()
    _check_version(files.directory, engine.version("openvino"), release(ov.__version__))
    core = ov.Core()
    core.add_extension(library_path(files, record.plugin))
    graph, weights = files.file(record.file), files.file(record.weights)
    constants = np.frombuffer(weights.data, np.uint8)
    model = core.read_model(bytes(graph.data), ov.Tensor(constants, shared_memory=True))
    if options.pruning != 1:
        scale_thresholds(model, engine.model.policy, options.pruning)
    added = _added(model, engine, options)
    settings = compile_settings(engine.activations, options.threads, options.throughput)
    compiled = core.compile_model(model, "CPU", settings)
    return OpenVinoSession(compiled, engine.inputs, added, weights)


def _added(
    model: Any, engine: Compiled, options: RunOptions
) -> AliveCounts | ReportedSurvivors | None:
    """The outputs that a model gets for what is asked of it; none where it was built with them."""
    if engine.options.survivors:
        return None
    if options.survivors:
        policy = engine.model.policy.scaled(options.pruning)
        return ReportedSurvivors(model, engine.activations, policy)
    return AliveCounts(model, engine.activations) if options.alive else None


def compile_settings(
    precision: str, threads: int | None = None, throughput: bool = False
) -> dict[str, str]:
    """Properties for `compile_model`, the same for our engines and for dense models."""
    limit = os.environ.get(ISA_LIMIT, "").upper()
    if precision == "bf16" and (limit in _WITHOUT_BF16 or platform.machine() != "x86_64"):
        # OpenVINO decides so on a CPU without bf16, but it does not know of the limit, and crashes;
        # and on Arm it would take f16 in its place.
        precision = "f32"
    settings = {
        # Always explicit: OpenVINO's default is bf16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
        # OpenVINO would bind them to the first cores, in every process to the same ones.
        settings["ENABLE_CPU_PINNING"] = "NO"
    return settings


def _check_version(directory: Path, built: str, found: str) -> None:
    if found != built:
        raise BundleError(
            f"{directory} was built with OpenVINO {built}, this is {found}; its plugin "
            f"works with that release alone: rebuild the bundle, or install openvino=={built}"
        )


def release(version: str) -> str:
    """`2026.4.1` from `2026.4.1-22179-...`."""
    return version.split("-")[0]
