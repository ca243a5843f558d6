"""Running a TensorRT bundle on its GPU."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.tensorrt import TensorRtEngine
from ltp_deploy.backends.tensorrt.lane import Lane
from ltp_deploy.backends.tensorrt.library import LIBRARIES, Library
from ltp_deploy.backends.tensorrt.loaded import LoadedEngine
from ltp_deploy.backends.tensorrt.plugin import register
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled, bundle_digest
from ltp_deploy.bundle.native import cuda_kernels
from ltp_deploy.errors import BundleError
from ltp_deploy.hardware.gpu import gpus

THROUGHPUT_LANES = 2  # while one request's rows are counted on the host, another one computes


class TensorRtSession:
    """A deserialized engine with one lane, or several that take turns."""

    def __init__(self, lanes: list[Lane]):
        self.concurrency, self.lanes = len(lanes), lanes
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in lanes:
            self._idle.put(lane)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        lane = self._idle.get()
        try:
            return lane.run(feeds)
        finally:
            self._idle.put(lane)


def open_engine(files: BundleFiles, compiled: Compiled, throughput: bool) -> TensorRtSession:
    """Deserialize the engine.

    Raises:
        BundleError: see `prepare`; or the library refuses the engine.
    """
    record = compiled.record(TensorRtEngine)
    trt = prepare(files.directory, compiled)
    loaded = LoadedEngine(
        trt,
        record.library,
        files.file(record.file).data,
        files.directory,
        lambda registry: use_plugin(trt, registry, files, record),
        bundle_digest(files),
    )
    lanes = [Lane(loaded, compiled) for _ in range(THROUGHPUT_LANES if throughput else 1)]
    if loaded.cache:
        loaded.cache.save()
    return TensorRtSession(lanes)


def prepare(directory: Path, compiled: Compiled) -> Any:
    """Import the library that a bundle needs; returns the module.

    Raises:
        BundleError: no GPU or another one than the engine was built for, no library or another
            version of it.
    """
    record = compiled.record(TensorRtEngine)
    library = LIBRARIES[record.library]
    _check_gpu(directory, record.compute_capability)
    trt = library.load()
    _check_version(directory, library, compiled.version(library.name), trt.__version__)
    return trt


def _check_gpu(directory: Path, wanted: str) -> None:
    present = gpus()
    if not present:
        raise BundleError(
            f"{directory} runs on a GPU of compute capability {wanted}, and this machine has no "
            "NVIDIA GPU, or no driver that works; with --portable-onnx it has a model for the CPU"
        )
    if present[0].compute_capability != wanted:
        raise BundleError(
            f"{directory} was built for compute capability {wanted}, this is "
            f"{present[0].name} with {present[0].compute_capability}; build it for this GPU"
        )


def _check_version(directory: Path, library: Library, built: str, found: str) -> None:
    if found != built:
        raise BundleError(
            f"{directory} was built with {library.title} {built}, this is {found}; engines work "
            "with that version alone: rebuild the bundle, or install it"
        )


def use_plugin(trt: Any, registry: Any, files: BundleFiles, record: TensorRtEngine) -> None:
    """Give a registry the bundle's C++ plugin, else the one in Python.

    A runtime's own registry takes the plugin of every bundle; the library's takes one plugin.

    Raises:
        BundleError: the plugin does not load, or there are no kernels.
    """
    kernels = Path(library_path(files, record.kernels)) if record.kernels else cuda_kernels()
    if record.plugin:
        if registry.load_library(library_path(files, record.plugin)) is None:
            raise BundleError(f"the plugin {files.directory / record.plugin} does not load")
    elif kernels:
        register(trt, registry, kernels)
    else:
        raise BundleError(
            f"{files.directory} was built without nvcc, so it brings no kernels, and this "
            "ltp-deploy has none either; install nvcc here, and build ltp-deploy again with "
            "`pip install .`"
        )
