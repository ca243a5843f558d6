"""Running a TensorRT engine on buffers at fixed addresses."""

# mypy: allow-subclassing-any
from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, cast

from ltp_deploy.backends.tensorrt.loaded import LoadedEngine
from ltp_deploy.cuda.graphs import Graphs
from ltp_deploy.cuda.memory import Graph, Mirror, Stream
from ltp_deploy.errors import LtpError

MAX_GRAPHS = 64  # each with an execution context of its own, as NVIDIA advises


@dataclass(frozen=True)
class Shapes:
    """Of one request.

    Attributes:
        profile: the number of the optimisation profile that it uses.
        inputs: the shape of each input by its name.
        outputs: the number of elements that are fetched of each output.
    """

    profile: int
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, int], ...]


class Executor:
    """A stream, buffers for the largest request, and an execution context for each optimisation
    profile. Requests follow one another; those whose shapes come again are CUDA graphs, unless data
    decide the size of something.

    Args:
        inputs, outputs: buffers by the names of the engine's tensors.
        sized_by_data: outputs whose size is known only after the run. None: nothing in the engine
            depends on the data.
    """

    def __init__(
        self,
        loaded: LoadedEngine,
        inputs: Mapping[str, Mirror],
        outputs: Mapping[str, Mirror],
        sized_by_data: Collection[str] | None,
    ):
        # In this order attributes go, and contexts are to go before what they use.
        self._graphs: ContextGraphs | None = None
        self.by_profile: list[Any] = []
        self.inputs, self.outputs = inputs, outputs
        self._stream = Stream()
        self.contexts = loaded.contexts(self._stream)
        self._sized_by_data = sized_by_data or ()
        self._allocator = _allocator(loaded.trt, outputs)
        self._loaded = loaded
        self.by_profile += [self._context(i) for i in range(self.contexts.profiles)]
        if sized_by_data is None:
            self._graphs = ContextGraphs(self)

    def _context(self, profile: int) -> Any:
        """A new context that reads and writes our buffers."""
        context = self.contexts.make(profile)
        bound = [context.set_tensor_address(n, m.device) for n, m in self.inputs.items()]
        for name, mirror in self.outputs.items():
            if name in self._sized_by_data:  # these take no address
                bound.append(context.set_output_allocator(name, self._allocator))
            else:
                bound.append(context.set_tensor_address(name, mirror.device))
        if not all(bound):
            raise self._failure()
        return context

    def run(self, shapes: Shapes) -> None:
        """Have the request in the inputs' host buffers answered in the outputs' ones.

        Raises:
            LtpError: TensorRT or CUDA fails.
        """
        compute = partial(self._compute, self.by_profile[shapes.profile], shapes)
        try:
            if self._graphs:
                self._graphs.run(shapes, compute)
            else:
                compute()
        finally:
            self._stream.wait()  # also where something failed: copies may still use the buffers

    def capture(self, shapes: Shapes) -> Graph:
        """What answers requests of these shapes, in an execution context of its own."""
        with self._loaded.capturing:
            context = self._context(shapes.profile)
            try:
                self._compute(context, shapes)  # TensorRT does what it puts off after a new shape
            finally:
                self._stream.wait()
            return Graph(self._stream, partial(self._queue, context, shapes), needs=context)

    def _compute(self, context: Any, shapes: Shapes) -> None:
        for name, shape in shapes.inputs:
            if not context.set_input_shape(name, shape):
                raise self._failure()
        self._queue(context, shapes)

    def _queue(self, context: Any, shapes: Shapes) -> None:
        """Queue copies and kernels; the context knows the shapes of its inputs."""
        for name, shape in shapes.inputs:
            self.inputs[name].send(prod(shape), self._stream)
        if not context.execute_async_v3(self._stream.handle):
            raise self._failure()
        for name, count in shapes.outputs:
            self.outputs[name].fetch(count, self._stream)

    def _failure(self) -> LtpError:
        return LtpError(f"TensorRT could not run the engine: {self._loaded.logger.complaints()}")


class ContextGraphs(Graphs):
    """CUDA graphs of an executor, by shapes."""

    def __init__(self, executor: Executor):
        super().__init__(MAX_GRAPHS)
        self._executor: Executor = weakref.proxy(executor)  # which owns this and the GPU's memory

    def capture(self, key: Hashable, compute: Callable[[], None]) -> Callable[[], object]:
        return self._executor.capture(cast("Shapes", key)).launch


def _allocator(trt: Any, mirrors: Mapping[str, Mirror]) -> Any:
    """Gives outputs, whose size is known only after the run, the buffers that they fit into."""

    class Allocator(trt.IOutputAllocator):
        def __init__(self, mirrors: Mapping[str, Mirror]) -> None:
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
