"""A CUDA runtime whose GPU is the host's memory, and a TensorRT whose engines are TorchScript."""

from __future__ import annotations

import ctypes
import enum
import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

PLUGIN_BASES = (
    "IPluginCreatorV3One",
    "IPluginV3",
    "IPluginV3OneCore",
    "IPluginV3OneBuild",
    "IPluginV3OneRuntime",
)


class Error(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2


class FakeRuntime:
    """The part of `cuda.bindings.runtime` that sessions use; `alive` counts what was not freed."""

    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamNonBlocking = 1
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self) -> None:
        self.blocks: dict[int, Any] = {}
        self.memory = 1 << 30
        self.recording: list[Callable[[], object]] | None = None
        self.launches = 0

    def queue(self, work: Callable[[], object]) -> None:
        """Do it now, or at each launch of the graph that is being captured."""
        if self.recording is None:
            work()
        else:
            self.recording.append(work)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Error]:
        assert (stream, mode, self.recording) == (7, 1, None)
        self.recording = []
        return (Error.cudaSuccess,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[Error, Any]:
        graph, self.recording = self.recording, None
        return Error.cudaSuccess, graph

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[Error, Any]:
        return Error.cudaSuccess, graph

    def cudaGraphLaunch(self, graph: Any, stream: int) -> tuple[Error]:
        self.launches += 1
        for work in graph:
            work()
        return (Error.cudaSuccess,)

    def cudaGraphDestroy(self, graph: Any) -> tuple[Error]:
        return (Error.cudaSuccess,)

    cudaGraphExecDestroy = cudaGraphDestroy

    def _allocate(self, size: int) -> tuple[Error, int]:
        assert self.recording is None, "allocation cannot be captured"
        if size > self.memory:
            return Error.cudaErrorMemoryAllocation, 0
        block = ctypes.create_string_buffer(b"\xa5" * size, size)
        self.blocks[ctypes.addressof(block)] = block
        return Error.cudaSuccess, ctypes.addressof(block)

    cudaMalloc = cudaMallocHost = _allocate

    def _free(self, address: int) -> tuple[Error]:
        del self.blocks[int(address)]
        return (Error.cudaSuccess,)

    cudaFree = cudaFreeHost = _free

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Error, int]:
        assert flags == self.cudaStreamNonBlocking
        return Error.cudaSuccess, 7

    def cudaStreamSynchronize(self, stream: int) -> tuple[Error]:
        assert self.recording is None, "a host sync cannot be captured"
        return (Error.cudaSuccess,)

    cudaStreamDestroy = cudaStreamSynchronize

    def cudaMemcpyAsync(
        self, to: int, source: int, size: int, kind: int, stream: int
    ) -> tuple[Error]:
        assert stream == 7
        for address in (to, source):
            assert size <= len(self.blocks[address]), "outside the buffer"
        self.queue(partial(ctypes.memmove, to, source, size))
        return (Error.cudaSuccess,)


PROFILES = ((120, 8), (40, 1))  # rows and sequences that an engine's optimisation profiles take


class FakeContext:
    """Runs `model`, a session of another backend, on what lies at the addresses. The model has no
    padding, and what a GPU leaves in its place here is -77.

    Attributes:
        profile: number of the optimisation profile.
    """

    def __init__(self, model: Any, cuda: FakeRuntime):
        self.model, self.cuda = model, cuda
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.allocators: dict[str, Any] = {}
        self.profile, self.memory = -1, 0

    def set_optimization_profile_async(self, number: int, stream: int) -> bool:
        self.profile = number
        return True

    def set_device_memory(self, address: int, size: int) -> None:
        assert size == len(self.cuda.blocks[address]) >= 1000 * (len(PROFILES) - self.profile)
        self.memory = address

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        rows, sequences = PROFILES[self.profile]
        self.shapes[name] = tuple(shape)
        return shape[0] <= (sequences + 1 if name == "offsets" else rows)

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self.allocators[name] = allocator
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert self.memory in self.cuda.blocks
        self.cuda.queue(partial(self._execute, dict(self.shapes)))
        return True

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """An input, from where it lies."""
        values = (ctypes.c_int32 * math.prod(shape)).from_address(self.addresses[name])
        return np.array(values, np.int32).reshape(shape)

    def write(self, name: str, values: np.ndarray) -> None:
        """Copy an output to where it is expected."""
        values = np.ascontiguousarray(values)
        if name in self.addresses:
            address = self.addresses[name]
        else:
            allocator = self.allocators[name]
            address = allocator.reallocate_output_async(name, 0, values.nbytes, 256, 7)
            allocator.notify_shape(name, values.shape)
        ctypes.memmove(address, values.ctypes.data, values.nbytes)

    def _execute(self, shapes: dict[str, tuple[int, ...]]) -> None:
        feeds = {name: self.read(name, shape) for name, shape in shapes.items()}
        offsets, rows = feeds["offsets"], len(feeds["input_ids"])
        sequences = int((np.diff(offsets) > 0).sum())
        assert (offsets[sequences:] == offsets[sequences]).all()
        assert sequences == len(offsets) - 1 or offsets[sequences] < rows, "beyond the rows"
        real = {n: v[: sequences + 1 if n == "offsets" else offsets[-1]] for n, v in feeds.items()}
        for name, values in self.model.run(real).items():
            if name in self.addresses:
                count = {"logits": len(offsets) - 1}.get(name, rows)
                if name.endswith("offsets"):
                    values = np.pad(values, (0, len(offsets) - len(values)), mode="edge")
                else:
                    spare = np.full((count - len(values), *values.shape[1:]), -77, values.dtype)
                    values = np.concatenate([values, spare])
            self.write(name, values)


class FakeEngine:
    """Keeps the contexts that were made of it."""

    context = FakeContext
    device_memory_size_v2 = 1000 * len(PROFILES)
    num_optimization_profiles = len(PROFILES)

    def __init__(self, model: Any, cuda: FakeRuntime):
        self.model, self.cuda = model, cuda
        self.contexts: list[FakeContext] = []

    def get_tensor_profile_shape(self, name: str, number: int) -> list[tuple[int]]:
        rows, sequences = PROFILES[number]
        most = sequences + 1 if name == "offsets" else rows
        return [(1,), (most,), (most,)]

    def create_execution_context(self, strategy: Any) -> FakeContext:
        assert strategy == "user managed"
        assert self.cuda.recording is None, "made while a graph is captured"
        self.contexts.append(self.context(self.model, self.cuda))
        return self.contexts[-1]


def fake_tensorrt(version: str, model: Any, cuda: FakeRuntime) -> Any:
    """The module, with just what sessions use; every engine is `model`."""

    class Registry:
        """As TensorRT's: a second plugin of the same name is refused."""

        def __init__(self) -> None:
            self.taken = False

        def get_creator(self, *names: str) -> Any:
            return object() if self.taken else None

        def register_creator(self, creator: Any, namespace: str) -> None:
            self.load_library("")

        def load_library(self, path: str) -> Any:
            free, self.taken = not self.taken, True
            return object() if free else None

    class Runtime:
        def __init__(self, logger: Any):
            self.logger = logger
            self.registry = Registry()

        def get_plugin_registry(self) -> Registry:
            return self.registry

        def deserialize_cuda_engine(self, data: bytes) -> Any:
            if not bytes(data).startswith(b"ftrt"):  # what real engines begin with as well
                self.logger.log(fake.ILogger.ERROR, "magic tag does not match")
                return None
            return FakeEngine(model, cuda)

    fake = SimpleNamespace(
        __version__=version,
        Runtime=Runtime,
        IOutputAllocator=type("IOutputAllocator", (), {}),
        ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
        ILogger=type("ILogger", (), {"ERROR": 1, "INTERNAL_ERROR": 0}),
        get_plugin_registry=lambda: Registry(),
        **{name: type(name, (), {}) for name in PLUGIN_BASES},
        PluginField=lambda *values: values,
        PluginFieldCollection=list,
        PluginFieldType=SimpleNamespace(INT32=1, FLOAT32=2),
    )
    return fake
