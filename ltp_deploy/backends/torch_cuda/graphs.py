"""CUDA graphs of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress

import torch

from ltp_deploy.cuda.graphs import Graphs

MAX_GRAPHS = 512  # a few for each segment of an engine and each size in use


class TorchGraphs(Graphs):
    """All graphs share one memory pool, so results have to be written to memory outside of it."""

    def __init__(self, stream: torch.cuda.Stream):
        super().__init__(MAX_GRAPHS)
        self._stream = stream
        self._pool = torch.cuda.graph_pool_handle()

    def make_room(self) -> bool:
        # All at once: a graph that goes alone frees cuBLAS memory that the others still use. The
        # old pool ends with its last graph.
        self._stream.synchronize()
        self._captured.clear()
        self._seen.clear()
        self._pool = torch.cuda.graph_pool_handle()
        return True

    def capture(self, key: Hashable, compute: Callable[[], None]) -> Callable[[], object]:
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.inference_mode(False):  # of what PyTorch keeps for random numbers
                # Other threads may use CUDA meanwhile as they like.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            compute()
            graph.capture_end()
        except BaseException:
            with suppress(RuntimeError):
                graph.capture_end()
            self._pool = torch.cuda.graph_pool_handle()  # the old one may still be recording
            raise
        return graph.replay
