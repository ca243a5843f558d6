"""Streams and buffers of the CUDA runtime, freed with the objects that hold them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ltp_deploy.cuda.bindings import check, runtime


class Stream:
    """A CUDA stream of the current device; `handle` is its address, for other libraries.

    Raises:
        LtpError: CUDA reports an error, here and in all methods.
    """

    def __init__(self) -> None:
        self._cuda = runtime()
        self._stream = check(self._cuda.cudaStreamCreate())
        self.handle = int(self._stream)

    def wait(self) -> None:
        """Block until all work that was queued on the stream is done."""
        check(self._cuda.cudaStreamSynchronize(self._stream))

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._cuda.cudaStreamDestroy(self._stream)


class Mirror:
    """One buffer on the GPU and one of the same size on the host, to copy between.

    Args:
        size: how many elements each holds.
        dtype: of the elements.

    Attributes:
        device: the address of the buffer on the GPU.
        host: the buffer on the host, [size], in pinned memory.
        bytes: the size of each buffer.

    Raises:
        LtpError: CUDA reports an error, such as too little memory, here and in all methods.
    """

    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        self._cuda = runtime()
        self.dtype = np.dtype(dtype)
        self.bytes = max(1, size) * self.dtype.itemsize
        self.device = int(check(self._cuda.cudaMalloc(self.bytes)))
        self._pinned = check(self._cuda.cudaMallocHost(self.bytes))
        memory = (ctypes.c_uint8 * self.bytes).from_address(int(self._pinned))
        self.host = np.ctypeslib.as_array(memory).view(self.dtype)

    def send(self, values: np.ndarray, stream: Stream) -> None:
        """Queue a copy of values [up to size] to the GPU; they may change once this returns."""
        self.host[: values.size] = values
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device, int(self._pinned), values.size, kind, stream)

    def fetch(self, size: int, stream: Stream) -> None:
        """Queue a copy of the first `size` elements to `host`; wait for the stream to read them."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(int(self._pinned), self.device, size, kind, stream)

    def _copy(self, to: int, source: int, size: int, kind: Any, stream: Stream) -> None:
        count = size * self.dtype.itemsize
        check(self._cuda.cudaMemcpyAsync(to, source, count, kind, stream.handle))

    def __del__(self) -> None:
        if hasattr(self, "device"):
            self._cuda.cudaFree(self.device)
        if hasattr(self, "_pinned"):
            self._cuda.cudaFreeHost(self._pinned)
