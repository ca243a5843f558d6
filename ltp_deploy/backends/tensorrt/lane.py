"""One request at a time through a TensorRT engine."""

# mypy: allow-subclassing-any
from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, cast

import numpy as np

from ltp_deploy.backends.tensorrt.contexts import OFFSETS, TOKENS, Contexts
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.cuda.buckets import row_bucket, sequence_bucket, without_padding
from ltp_deploy.cuda.graphs import Graphs
from ltp_deploy.cuda.memory import Graph, Mirror, Stream
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import Carry

LOGITS = "logits"
MAX_GRAPHS = 32  # each with an execution context of its own, as NVIDIA advises

Size = tuple[int, int]  # rows and sequences, padding included


class Lane:
    """A stream, buffers as large as the limits allow, and an execution context for each
    optimisation profile.

    Where no size depends on the data, requests are padded to few different sizes, and those that
    come again are CUDA graphs.
    """

    def __init__(
        self, trt: Any, logger: Any, make_contexts: Callable[[Stream], Contexts], compiled: Compiled
    ):
        self.logger = logger
        limits, self.labels = compiled.limits, compiled.model.num_labels
        self.inputs = {
            name: Mirror(
                limits.max_batch + 1 if name == OFFSETS else limits.max_tokens, np.dtype(np.int32)
            )
            for name in compiled.inputs
        }
        self.outputs = {
            name: Mirror(limits.max_batch * self.labels, np.dtype(np.float32))
            if name == LOGITS
            else Mirror(max(limits.max_tokens, limits.max_batch + 1), np.dtype(np.int32))
            for name in compiled.outputs
        }
        self.stream = Stream()
        self._contexts = make_contexts(self.stream)
        self._allocator = _allocator(trt, self.outputs)
        self.static = Carry.SURVIVORS not in compiled.plan.carries
        self._by_profile = [self.context(i) for i in range(len(self._contexts.profiles))]
        self._graphs = LaneGraphs(self) if self.static else None

    def context(self, profile: int) -> Any:
        """A new context that reads and writes our buffers."""
        context = self._contexts.make(profile)
        for name, mirror in self.inputs.items():
            if not context.set_tensor_address(name, mirror.device):
                raise self._failure()
        for name, mirror in self.outputs.items():
            # An output whose size the data decide takes no address.
            if self.static or name == LOGITS:
                bound = context.set_tensor_address(name, mirror.device)
            else:
                bound = context.set_output_allocator(name, self._allocator)
            if not bound:
                raise self._failure()
        return context

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._run(feeds)
        finally:
            self.stream.wait()  # also where something failed: copies may still use the buffers

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        rows, sequences = len(feeds[TOKENS]), len(feeds[OFFSETS]) - 1
        size = self._padded(rows, sequences) if self.static else (rows, sequences)
        self._fill(feeds, size)
        compute = partial(self.compute, self._by_profile[self._contexts.best_profile(*size)], size)
        if self._graphs:
            self._graphs.run(size, compute)
        else:
            compute()
        self.stream.wait()
        found = {name: mirror.host for name, mirror in self.outputs.items()}
        found[LOGITS] = found[LOGITS][: sequences * self.labels].reshape(sequences, self.labels)
        return without_padding(found, sequences)

    def _padded(self, rows: int, sequences: int) -> Size:
        """What a request of this size is run as."""
        general, *_ = self._contexts.profiles
        slots = sequence_bucket(sequences, general.sequences)
        if rows + (slots > sequences) > general.rows:
            slots = sequences  # sequences of no tokens begin at a row that is there
        profile = self._contexts.profiles[self._contexts.best_profile(rows, slots)]
        return min(row_bucket(rows + (slots > sequences)), profile.rows), slots

    def _fill(self, feeds: dict[str, np.ndarray], size: Size) -> None:
        """Copy a request to the host's buffers, padded with tokens 0 and empty sequences."""
        for name, mirror in self.inputs.items():
            values, part = feeds[name], mirror.host[: _length(name, size)]
            part[: len(values)] = values
            part[len(values) :] = values[-1] if name == OFFSETS else 0

    def compute(self, context: Any, size: Size) -> None:
        """Have the request in the host's buffers answered there."""
        for name in self.inputs:
            if not context.set_input_shape(name, (_length(name, size),)):
                raise self._failure()
        self._queue(context, size)

    def capture(self, size: Size) -> Graph:
        """What answers a request of this size, in an execution context of its own."""
        context = self.context(self._contexts.best_profile(*size))
        self.compute(context, size)  # TensorRT does now what it puts off after a change of shapes
        self.stream.wait()
        return Graph(self.stream, partial(self._queue, context, size), needs=context)

    def _queue(self, context: Any, size: Size) -> None:
        """Queue copies and kernels; the context knows the shapes of its inputs."""
        for name, mirror in self.inputs.items():
            mirror.send(_length(name, size), self.stream)
        if not context.execute_async_v3(self.stream.handle):
            raise self._failure()
        for name, mirror in self.outputs.items():
            count = size[1] * self.labels if name == LOGITS else _length(name, size)
            mirror.fetch(count, self.stream)

    def _failure(self) -> LtpError:
        return LtpError(f"TensorRT could not run the engine: {self.logger.complaints()}")


class LaneGraphs(Graphs):
    """CUDA graphs of a lane, by the sizes of requests."""

    def __init__(self, lane: Lane):
        super().__init__(MAX_GRAPHS)
        self._lane: Lane = weakref.proxy(lane)  # which owns this, and frees the GPU's memory

    def capture(self, key: Hashable, compute: Callable[[], None]) -> Callable[[], object]:
        return self._lane.capture(cast("Size", key)).launch


def _length(name: str, size: Size) -> int:
    """Elements of a tensor other than the logits, for a request of `size`: rows and sequences."""
    rows, sequences = size
    return sequences + 1 if name.rpartition(".")[2] == OFFSETS else rows


def _allocator(trt: Any, mirrors: dict[str, Mirror]) -> Any:
    """Gives outputs, whose size is known only after the run, the buffers that they fit into."""

    class Allocator(trt.IOutputAllocator):
        def __init__(self, mirrors: dict[str, Mirror]) -> None:
            trt.IOutputAllocator.__init__(self)
            self.mirrors = mirrors

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            mirror = self.mirrors[name]
            return mirror.device if size <= mirror.bytes else 0

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self.reallocate_output(name, memory, size, alignment)

        def notify_shape(self, name: str, shape: Any) -> None: ...

    return Allocator(mirrors)
