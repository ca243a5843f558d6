"""Running a TensorRT bundle on its GPU."""

# mypy: allow-subclassing-any
from __future__ import annotations

import queue
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.backends.in_memory import library_path
from ltp_deploy.backends.tensorrt import TensorRtEngine
from ltp_deploy.backends.tensorrt.library import LIBRARIES, Library
from ltp_deploy.backends.tensorrt.log import make_logger
from ltp_deploy.backends.tensorrt.plugin import register
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.bundle.native import cuda_kernels
from ltp_deploy.cuda.memory import Mirror, Stream
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.hardware.gpu import gpus

THROUGHPUT_LANES = 2  # while one request's rows are counted on the host, another one computes


class TensorRtSession:
    """A deserialized engine with one lane, or several that take turns."""

    def __init__(self, trt: Any, runtime: Any, engine: Any, compiled: Compiled, lanes: int):
        self.concurrency = lanes
        self._held = runtime, engine  # the plugin lives in the runtime's registry
        self._idle: queue.SimpleQueue[_Lane] = queue.SimpleQueue()
        for _ in range(lanes):
            self._idle.put(_Lane(trt, runtime.logger, engine, compiled))

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        lane = self._idle.get()
        try:
            return lane.run(feeds)
        finally:
            self._idle.put(lane)


class _Lane:
    """An execution context with its stream and its buffers, as large as the limits allow."""

    def __init__(self, trt: Any, logger: Any, engine: Any, compiled: Compiled):
        self.logger = logger
        limits = compiled.limits
        sizes = {"offsets": limits.max_batch + 1}
        self.inputs = {
            name: Mirror(sizes.get(name, limits.max_tokens), np.dtype(np.int32))
            for name in compiled.inputs
        }
        labels = compiled.model.num_labels
        self.logits = Mirror(limits.max_batch * labels, np.dtype(np.float32))
        self.survivors = {
            name: Mirror(max(limits.max_tokens, limits.max_batch + 1), np.dtype(np.int32))
            for name in compiled.outputs
            if name != "logits"
        }
        self.labels = labels
        self.stream = Stream()
        self.context = engine.create_execution_context()
        if self.context is None:
            raise BundleError("the GPU has too little memory for this engine's limits")
        for name, mirror in {**self.inputs, "logits": self.logits}.items():
            if not self.context.set_tensor_address(name, mirror.device):
                raise self._failure()
        self.allocator = _allocator(trt, self.survivors)
        for name in self.survivors:
            self.context.set_output_allocator(name, self.allocator)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._run(feeds)
        finally:
            self.stream.wait()  # also where something failed: copies may still read the buffers

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        sequences = len(feeds["offsets"]) - 1
        shapes = self.allocator.shapes
        shapes.clear()
        for name, mirror in self.inputs.items():
            mirror.send(feeds[name], self.stream)
            if not self.context.set_input_shape(name, feeds[name].shape):
                raise self._failure()
        if not self.context.execute_async_v3(self.stream.handle):
            raise self._failure()
        self.logits.fetch(sequences * self.labels, self.stream)
        for name, mirror in self.survivors.items():
            mirror.fetch(prod(shapes[name]), self.stream)
        self.stream.wait()
        logits = self.logits.host[: sequences * self.labels].copy()
        answer = {"logits": logits.reshape(sequences, self.labels)}
        for name, mirror in self.survivors.items():
            answer[name] = mirror.host[: prod(shapes[name])].copy()
        return answer

    def _failure(self) -> LtpError:
        return LtpError(f"TensorRT could not run the engine: {self.logger.complaints()}")


def _allocator(trt: Any, mirrors: dict[str, Mirror]) -> Any:
    """Gives outputs, whose size is known only after the run, the buffers that they fit into."""

    class Allocator(trt.IOutputAllocator):
        def __init__(self, mirrors: dict[str, Mirror]) -> None:
            trt.IOutputAllocator.__init__(self)
            self.mirrors = mirrors
            self.shapes: dict[str, tuple[int, ...]] = {}

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            mirror = self.mirrors[name]
            return mirror.device if size <= mirror.bytes else 0

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self.reallocate_output(name, memory, size, alignment)

        def notify_shape(self, name: str, shape: Any) -> None:
            self.shapes[name] = tuple(shape)

    return Allocator(mirrors)


def open_engine(files: BundleFiles, compiled: Compiled, throughput: bool) -> TensorRtSession:
    """Deserialize the engine.

    Raises:
        BundleError: see `prepare`; or the library refuses the engine.
    """
    record = compiled.record(TensorRtEngine)
    trt = prepare(files.directory, compiled)
    logger = make_logger(trt)
    runtime = trt.Runtime(logger)
    use_plugin(trt, runtime.get_plugin_registry(), files, record)
    engine = runtime.deserialize_cuda_engine(files.file(record.file).data)
    if engine is None:
        raise BundleError(f"{record.library} refuses {files.directory}: {logger.complaints()}")
    lanes = THROUGHPUT_LANES if throughput else 1
    return TensorRtSession(trt, runtime, engine, compiled, lanes)


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
