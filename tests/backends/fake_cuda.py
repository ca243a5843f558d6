"""A CUDA runtime whose GPU is the host's memory, and a TensorRT whose engines are TorchScript."""

from __future__ import annotations

import ctypes
import enum
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

    def __init__(self) -> None:
        self.blocks: dict[int, Any] = {}
        self.memory = 1 << 30

    def _allocate(self, size: int) -> tuple[Error, int]:
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

    def cudaStreamCreate(self) -> tuple[Error, int]:
        return Error.cudaSuccess, 7

    def cudaStreamSynchronize(self, stream: int) -> tuple[Error]:
        return (Error.cudaSuccess,)

    cudaStreamDestroy = cudaStreamSynchronize

    def cudaMemcpyAsync(
        self, to: int, source: int, size: int, kind: int, stream: int
    ) -> tuple[Error]:
        assert stream == 7
        for address in (to, source):
            assert size <= len(self.blocks[address]), "outside the buffer"
        ctypes.memmove(to, source, size)
        return (Error.cudaSuccess,)


class FakeContext:
    """Runs `model`, a session of another backend, on what lies at the addresses."""

    def __init__(self, model: Any):
        self.model = model
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.allocators: dict[str, Any] = {}

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shapes[name] = tuple(shape)
        return True

    def set_output_allocator(self, name: str, allocator: Any) -> bool:
        self.allocators[name] = allocator
        return True

    def execute_async_v3(self, stream: int) -> bool:
        feeds = {}
        for name, (size,) in self.shapes.items():
            values = (ctypes.c_int32 * size).from_address(self.addresses[name])
            feeds[name] = np.array(values, np.int32)
        for name, values in self.model.run(feeds).items():
            values = np.ascontiguousarray(values)
            address = self.addresses.get(name)
            if name in self.allocators:
                allocator = self.allocators[name]
                address = allocator.reallocate_output_async(name, 0, values.nbytes, 256, stream)
                allocator.notify_shape(name, values.shape)
            ctypes.memmove(address, values.ctypes.data, values.nbytes)
        return True


def fake_tensorrt(version: str, model: Any) -> Any:
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
            return SimpleNamespace(create_execution_context=lambda: FakeContext(model))

    fake = SimpleNamespace(
        __version__=version,
        Runtime=Runtime,
        IOutputAllocator=type("IOutputAllocator", (), {}),
        ILogger=type("ILogger", (), {"ERROR": 1, "INTERNAL_ERROR": 0}),
        get_plugin_registry=lambda: Registry(),
        **{name: type(name, (), {}) for name in PLUGIN_BASES},
        PluginField=lambda *values: values,
        PluginFieldCollection=list,
        PluginFieldType=SimpleNamespace(INT32=1, FLOAT32=2),
    )
    return fake
