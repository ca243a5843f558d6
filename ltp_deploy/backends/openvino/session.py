"""Running an OpenVINO bundle."""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.data.batch import one_token
from ltp_deploy.errors import BundleError

ISA_LIMIT = "ONEDNN_MAX_CPU_ISA"  # oneDNN reads it when a process first loads the CPU plugin
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI")


class OpenVinoSession:
    """A compiled model and a pool of infer requests."""

    def __init__(self, compiled: Any, inputs: list[str]):
        self.compiled = compiled
        self.inputs = inputs
        self.concurrency = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.outputs = [port.get_any_name() for port in compiled.outputs]
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(self.concurrency):
            self._idle.put(compiled.create_infer_request())

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        request = self._idle.get()
        try:
            request.infer({name: feeds[name] for name in self.inputs}, share_inputs=True)
            values = [np.array(request.get_output_tensor(i).data) for i in range(len(self.outputs))]
        finally:
            self._idle.put(request)
        return dict(zip(self.outputs, values, strict=True))


def open_session(
    directory: Path, manifest: dict[str, Any], threads: int | None, throughput: bool
) -> OpenVinoSession:
    """Compile the bundle's engine for this CPU."""
    if manifest["isa"] == "avx2":
        os.environ.setdefault(ISA_LIMIT, "AVX2")
    import openvino as ov

    _check_version(directory, manifest, ov.__version__)
    core = ov.Core()
    core.add_extension(str(directory / manifest["plugin"]))
    model = core.read_model(directory / manifest["engine"])
    settings = compile_settings(manifest["activations"], threads, throughput)
    session = OpenVinoSession(core.compile_model(model, "CPU", settings), manifest["inputs"])
    session.run(one_token())
    return session


def compile_settings(
    precision: str, threads: int | None = None, throughput: bool = False
) -> dict[str, str]:
    """What `compile_model` is told; the same for our engines and for dense models."""
    if precision == "bf16" and os.environ.get(ISA_LIMIT, "").upper() in _WITHOUT_BF16:
        # As OpenVINO decides where the CPU is like that; of the limit alone it knows nothing and
        # crashes.
        precision = "f32"
    settings = {
        # Always explicit: OpenVINO's default is bf16 where the CPU has it.
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "THROUGHPUT" if throughput else "LATENCY",
    }
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    return settings


def _check_version(directory: Path, manifest: dict[str, Any], found: str) -> None:
    built = manifest["versions"]["openvino"]
    if release(found) != built:
        raise BundleError(
            f"{directory} was built with OpenVINO {built}, this is {release(found)}; its plugin "
            f"works with that release alone: rebuild the bundle, or install openvino=={built}"
        )


def release(version: str) -> str:
    """`2026.4.1` from `2026.4.1-22179-...`."""
    return version.split("-")[0]
