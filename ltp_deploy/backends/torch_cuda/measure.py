"""The cost model's constants, measured in about a second on the GPU that PyTorch uses."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.cuda.buckets import row_bucket
from ltp_deploy.errors import LtpError

DEVICE = "cuda"
REPEATS, CALLS = 20, 10
MATRIX_ROWS = 4096  # and columns, of the product that is timed
COPIED_ROWS = 8192  # and columns, of the matrix that is copied: far larger than every cache
SEQUENCES, LENGTH, HEADS, HEAD_SIZE = 32, 384, 12, 64  # of the attention that is timed
LAUNCHES = 100  # kernels of a graph that is timed

# It stands in where no GPU can be measured: of the data sheet's 989 TFLOP/s and 4.8 TB/s two thirds
# and five sixths are taken as sustained; the rest is assumed.
H200 = GpuCost(
    "H200",
    flops=660e12,
    bandwidth=4e12,
    attention=100e12,
    launch=2e-6,
    sync=20e-6,
    bucket=row_bucket,
    tensorrt=False,
)


@functools.cache
def local_gpu() -> GpuCost:
    """The cost model of PyTorch's GPU, or the assumed one of an H200 where there is none."""
    import torch

    return measured() if torch.cuda.is_available() else H200


def measured() -> GpuCost:
    """The cost model of PyTorch's current device, measured anew."""
    import torch

    name = torch.cuda.get_device_properties().name
    launch, sync = _launch_seconds(), _sync_seconds()
    try:
        attention = _attention_rate()
    except LtpError:  # there are no kernels: a plan can be made all the same
        attention = H200.attention
    copied = torch.randn(COPIED_ROWS, COPIED_ROWS, device=DEVICE, dtype=torch.float16)
    copy = torch.empty_like(copied)
    bandwidth = 2 * copied.nbytes / device_seconds(lambda: copy.copy_(copied))
    x, y = (each[:MATRIX_ROWS, :MATRIX_ROWS].contiguous() for each in (copied, copy))
    # The last one: the heat of a large product slows what comes after it.
    product = device_seconds(lambda: torch.matmul(x, x, out=y))
    return GpuCost(
        name,
        flops=2 * MATRIX_ROWS**3 / product,
        bandwidth=bandwidth,
        attention=attention,
        launch=launch,
        sync=sync,
        bucket=row_bucket,
        tensorrt=False,
    )


def device_seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds that the kernels of a call take on the GPU.

    A CUDA graph of several calls is timed, so that launching it counts for little.
    """
    import torch

    for _ in range(3):
        call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    event: Callable[..., Any] = torch.cuda.Event  # which PyTorch leaves untyped
    times: list[float] = []
    for _ in range(repeats):
        begin, end = event(enable_timing=True), event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3 / CALLS)
    return median(times)


def _attention_rate() -> float:
    """FLOP/s of the attention kernel with scores; a multiply-add counts as two.

    Raises:
        LtpError: there are no compiled kernels.
    """
    import torch

    import ltp_deploy.backends.torch_cuda.op  # noqa: F401
    from ltp_deploy.model.policy import Carry, Mode

    rows, hidden = SEQUENCES * LENGTH, HEADS * HEAD_SIZE
    qkv = torch.randn(rows, 3 * hidden, device=DEVICE, dtype=torch.float16)
    offsets = torch.arange(0, rows + 1, LENGTH, device=DEVICE, dtype=torch.int32)
    alive = torch.ones(rows, device=DEVICE, dtype=torch.int32)
    rule = (HEADS, int(Mode.ABSOLUTE), 0.0, 0, True, int(Carry.ALL))
    given = (qkv, offsets, alive, offsets[1:] - offsets[:-1], *rule)
    seconds = device_seconds(lambda: torch.ops.ltp.pruned_attention(*given))
    return 6 * SEQUENCES * LENGTH**2 * hidden / seconds


def _launch_seconds() -> float:
    """Seconds from one small kernel of a graph to the next."""
    import torch

    x = torch.zeros(1, device=DEVICE)

    def launches() -> None:
        for _ in range(LAUNCHES):
            x.add_(1)

    return device_seconds(launches) / LAUNCHES


def _sync_seconds() -> float:
    """Seconds that a host sync costs: two graphs, where the second is launched once the host has
    read a number that the first one writes, less the same two launched one after the other."""
    import torch

    from ltp_deploy.backends.torch_cuda.in_place import UNKNOWN, host_sync

    x = torch.zeros(1, device=DEVICE, dtype=torch.int32)
    count = torch.zeros(1, dtype=torch.int32, pin_memory=DEVICE == "cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(LAUNCHES):
            x.add_(1)
        count.copy_(x, non_blocking=True)

    def seconds(syncs: bool) -> float:
        torch.cuda.synchronize()
        count[0] = UNKNOWN
        begin = time.perf_counter()
        graph.replay()
        if syncs:
            host_sync(count.numpy(), torch.cuda.current_stream())
        graph.replay()
        torch.cuda.synchronize()
        return time.perf_counter() - begin

    pairs = [(seconds(True), seconds(False)) for _ in range(REPEATS)]
    return max(0.0, median(p[0] for p in pairs) - median(p[1] for p in pairs))
