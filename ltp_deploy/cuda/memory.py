"""Streams, graphs and buffers of the CUDA runtime, freed with the objects that hold them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
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
        # Otherwise it would wait for the legacy stream, and that could not be used during captures.
        flags = self._cuda.cudaStreamNonBlocking
        self._stream = check(self._cuda.cudaStreamCreateWithFlags(flags))
        self.handle = int(self._stream)

    def wait(self) -> None:
        """Block until all work that was queued on the stream is done."""
        check(self._cuda.cudaStreamSynchronize(self._stream))

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._cuda.cudaStreamDestroy(self._stream)


class Graph:
    """What `queue` queues on a stream, captured, without being run.

    Args:
        stream: where it is captured, and launched.
        queue: queues copies and kernels.
        needs: what these use and is to live as long.

    Raises:
        LtpError: CUDA reports an error, such as for a host sync, here and in all methods.
    """

    def __init__(self, stream: Stream, queue: Callable[[], None], needs: object = None) -> None:
        self._cuda, self._stream, self._needs = runtime(), stream, needs
        # Other threads may queue work meanwhile as they like.
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        check(self._cuda.cudaStreamBeginCapture(stream.handle, mode))
        try:
            queue()
        except BaseException:
            error, unfinished = self._cuda.cudaStreamEndCapture(stream.handle)
            if int(error) == 0:
                self._cuda.cudaGraphDestroy(unfinished)
            raise
        graph = check(self._cuda.cudaStreamEndCapture(stream.handle))
        try:
            self._graph = check(self._cuda.cudaGraphInstantiate(graph, 0))
        finally:
            self._cuda.cudaGraphDestroy(graph)

    def launch(self) -> None:
        """Queue it on its stream."""
        check(self._cuda.cudaGraphLaunch(self._graph, self._stream.handle))

    def __del__(self) -> None:
        if hasattr(self, "_graph"):
            self._cuda.cudaGraphExecDestroy(self._graph)


class Memory:
    """Memory of the GPU; `address` is where it lies.

    Args:
        size: bytes; none are one.

    Raises:
        LtpError: CUDA reports an error, such as too little memory.
    """

    def __init__(self, size: int) -> None:
        self._cuda, self.size = runtime(), max(1, size)
        self.address = int(check(self._cuda.cudaMalloc(self.size)))

    def __del__(self) -> None:
        if hasattr(self, "address"):
            self._cuda.cudaFree(self.address)


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
        self._memory = Memory(self.bytes)
        self.device = self._memory.address
        self._pinned = check(self._cuda.cudaMallocHost(self.bytes))
        memory = (ctypes.c_uint8 * self.bytes).from_address(int(self._pinned))
        self.host = np.ctypeslib.as_array(memory).view(self.dtype)

    def send(self, size: int, stream: Stream) -> None:
        """Queue a copy of the first `size` elements of `host` to the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self.device, int(self._pinned), size, kind, stream)

    def fetch(self, size: int, stream: Stream) -> None:
        """Queue a copy of the first `size` elements to `host`; wait for the stream to read them."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(int(self._pinned), self.device, size, kind, stream)

    def _copy(self, to: int, source: int, size: int, kind: Any, stream: Stream) -> None:
        count = size * self.dtype.itemsize
        check(self._cuda.cudaMemcpyAsync(to, source, count, kind, stream.handle))

    def __del__(self) -> None:
        if hasattr(self, "_pinned"):
            self._cuda.cudaFreeHost(self._pinned)
