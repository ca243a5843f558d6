"""CUDA graphs of computations that come again."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import suppress

import torch

MAX_GRAPHS = 512  # a few for each part of an engine and each size in use


class Graphs:
    """Graphs by key, all on one stream. A computation runs as it is when its key comes for the
    first time and for the second, and is then captured: by then its libraries are warmed up, on
    this thread as well. From the third time on the graph is replayed.

    All share one memory pool; results have to be written to memory outside it.
    """

    def __init__(self, stream: torch.cuda.Stream):
        self._stream = stream
        self._pool = torch.cuda.graph_pool_handle()
        self._seen: Counter[Hashable] = Counter()
        self._captured: dict[Hashable, torch.cuda.CUDAGraph] = {}

    def run(self, key: Hashable, compute: Callable[[], None]) -> None:
        """Have it computed on the stream."""
        if key in self._captured:
            self._captured[key].replay()
            return
        compute()
        self._seen[key] += 1
        if self._seen[key] == 2:
            self._capture(key, compute)

    def _capture(self, key: Hashable, compute: Callable[[], None]) -> None:
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
