"""What a backend's session is, and the table of backends."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ltp_deploy.errors import BundleError
from ltp_deploy.hardware.gpu import gpus


class Session(Protocol):
    """A loaded engine. `run` may be called from several threads at once."""

    concurrency: int  # requests that run side by side; more wait their turn

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named inputs to named outputs."""


_BACKENDS = {
    "openvino": "ltp_deploy.backends.openvino.session",
    "onnxruntime": "ltp_deploy.backends.onnx.session",
    "tensorrt": "ltp_deploy.backends.tensorrt.session",
    "torch-cuda": "ltp_deploy.backends.torch_cuda.session",
    "torchscript": "ltp_deploy.backends.torchscript.session",
}


def can_run(manifest: dict[str, Any]) -> bool:
    """Whether this machine can run the engine that a build has just written."""
    if manifest["backend"] == "tensorrt":
        return [gpu.compute_capability for gpu in gpus()][:1] == [manifest["compute_capability"]]
    if manifest.get("device") == "cuda":
        import torch

        return torch.cuda.is_available()
    return manifest["backend"] in _BACKENDS


def portable_manifest(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest under which a bundle for a GPU runs on the CPU, if it can: its portable model
    in ONNX Runtime, or, made for PyTorch, its engine with the op's reference."""
    if manifest.get("device"):
        return {**manifest, "device": "cpu"}
    if not manifest.get("portable"):
        return None
    return {**manifest, "backend": "onnxruntime", "target": f"{manifest['target']}, portable ONNX"}


def open_session(
    directory: Path,
    manifest: dict[str, Any],
    threads: int | None = None,
    throughput: bool = False,
) -> Session:
    """Load a bundle's engine with its backend; the manifest must have been checked."""
    backend = manifest.get("backend")
    if backend not in _BACKENDS:
        raise BundleError(
            f"{directory} was built for the backend {backend!r}, which has no runtime; "
            f"runnable are {', '.join(_BACKENDS)}"
        )
    module = importlib.import_module(_BACKENDS[backend])
    return module.open_session(directory, manifest, threads, throughput)
