"""Streams and buffers, on top of NVIDIA's cuda-python."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ltp_deploy.cuda.bindings import check, runtime


class Stream:
    """A queue of work on the GPU; `handle` is what libraries take."""

    def __init__(self) -> None:
        self._cuda = runtime()
        self._stream = check(self._cuda.cudaStreamCreate())
        self.handle = int(self._stream)

    def wait(self) -> None:
        check(self._cuda.cudaStreamSynchronize(self._stream))

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._cuda.cudaStreamDestroy(self._stream)


class Mirror:
    """An array on the GPU with its pinned twin on the host, of at most `size` elements."""

    def __init__(self, size: int, dtype: np.dtype) -> None:
        self._cuda = runtime()
        self.dtype = np.dtype(dtype)
        self.bytes = max(1, size) * self.dtype.itemsize
        self.device = int(check(self._cuda.cudaMalloc(self.bytes)))
        self._pinned = check(self._cuda.cudaMallocHost(self.bytes))
        memory = (ctypes.c_uint8 * self.bytes).from_address(int(self._pinned))
        self.host = np.ctypeslib.as_array(memory).view(self.dtype)

    def send(self, values: np.ndarray, stream: Stream) -> None:
        """Copy values to the GPU; they may change as soon as this returns."""
        self.host[: values.size] = values
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device, int(self._pinned), values.size, kind, stream)

    def fetch(self, size: int, stream: Stream) -> None:
        """Copy the first elements to the host; they are there once the stream was waited for."""
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
