"""CUDA graphs of computations that are asked for repeatedly."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import suppress

import torch

MAX_GRAPHS = 512  # a few for each segment of an engine and each size in use


class Graphs:
    """CUDA graphs by key, all of one stream.

    The first and the second time that a key comes its computation runs as it is, and after the
    second it is captured: by then the libraries that it uses have been set up on this thread. From
    the third time on the graph is replayed.

    All graphs share one memory pool, so results have to be written to memory outside of it.
    """

    def __init__(self, stream: torch.cuda.Stream):
        self._stream = stream
        self._pool = torch.cuda.graph_pool_handle()
        self._seen: Counter[Hashable] = Counter()
        self._captured: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def run(self, key: Hashable, compute: Callable[[], None]) -> None:
        """Have a computation done on the stream.

        Args:
            key: what it depends on. Equal keys are the same kernels on the same addresses.
            compute: queues the kernels on the current stream, without a host sync.
        """
        if key in self._captured:
            self._captured[key].replay()
            return
        compute()
        self._seen[key] += 1
        if self._seen[key] == 2:
            self._capture(key, compute)

    def _capture(self, key: Hashable, compute: Callable[[], None]) -> None:
        """Capture a computation; where that fails it stays uncaptured, with a warning."""
        self._stream.synchronize()
        if len(self._captured) == MAX_GRAPHS:
            # All at once: a graph that goes alone frees cuBLAS memory that the others still use.
            self._captured.clear()
            self._seen.clear()
            self._pool = torch.cuda.graph_pool_handle()  # the old one ends with its last graph
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.inference_mode(False):  # of what PyTorch keeps for random numbers
                # Other threads may use CUDA meanwhile as they like.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            compute()
            graph.capture_end()
        except BaseException as error:
            with suppress(RuntimeError):
                graph.capture_end()
            self._pool = torch.cuda.graph_pool_handle()  # the old one may still be recording
            if not isinstance(error, RuntimeError):
                raise
            warnings.warn(f"not captured in a CUDA graph, and so slower: {error}", stacklevel=2)
            return
        self._captured[key] = graph
