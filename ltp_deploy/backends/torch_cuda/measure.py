"""The cost model's constants, measured on the GPU at hand in about a second."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from statistics import median

from ltp_deploy.compiler.cost import H200, GpuCost
from ltp_deploy.errors import LtpError

DEVICE = "cuda"
REPEATS, CALLS = 20, 10
SIDE = 8192  # of the matrices: far beyond every cache
SEQUENCES, LENGTH, HEADS, HEAD_SIZE = 32, 384, 12, 64  # of the attention
LAUNCHES = 100


@functools.cache
def gpu_at_hand() -> GpuCost:
    """Measured if PyTorch finds a GPU, else the assumed constants of an H200."""
    import torch

    return measured() if torch.cuda.is_available() else H200


def measured() -> GpuCost:
    """Of PyTorch's current device."""
    import torch

    properties = torch.cuda.get_device_properties()
    x = torch.randn(SIDE, SIDE, device=DEVICE, dtype=torch.float16)
    y = torch.empty_like(x)
    try:
        attention = _attention_rate()
    except LtpError:  # there are no kernels: a plan can be made all the same
        attention = H200.attention
    return GpuCost(
        properties.name,
        flops=2 * SIDE**3 / device_seconds(lambda: torch.matmul(x, x, out=y)),
        bandwidth=2 * x.nbytes / device_seconds(lambda: y.copy_(x)),
        processors=properties.multi_processor_count,
        attention=attention,
        launch=_launch_seconds(),
        sync=_sync_seconds(),
        tensorrt=False,
    )


def device_seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of a call on the GPU, in seconds: a graph of several, so that launching it counts
    for little."""
    import torch

    for _ in range(3):
        call()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3 / CALLS)
    return median(times)


def _attention_rate() -> float:
    """Multiply-adds count as two; queries times keys, and probabilities times values."""
    import torch

    import ltp_deploy.backends.torch_cuda.op  # noqa: F401
    from ltp_deploy.model.policy import Carry, Mode

    rows, hidden = SEQUENCES * LENGTH, HEADS * HEAD_SIZE
    qkv = torch.randn(rows, 3 * hidden, device=DEVICE, dtype=torch.float16)
    offsets = torch.arange(0, rows + 1, LENGTH, device=DEVICE, dtype=torch.int32)
    alive = torch.ones(rows, device=DEVICE, dtype=torch.int32)
    rule = (HEADS, int(Mode.NONE), 0.0, 0, True, int(Carry.ALL))
    given = (qkv, offsets, alive, offsets[1:] - offsets[:-1], *rule)
    seconds = device_seconds(lambda: torch.ops.ltp.pruned_attention(*given))
    return 4 * SEQUENCES * LENGTH**2 * hidden / seconds


def _launch_seconds() -> float:
    """From one small kernel of a graph to the next."""
    import torch

    x = torch.zeros(1, device=DEVICE)

    def launches() -> None:
        for _ in range(LAUNCHES):
            x.add_(1)

    return device_seconds(launches) / LAUNCHES


def _sync_seconds() -> float:
    """What it costs that the host waits for a number and only then launches the next graph: two
    graphs with such a wait between them, less the two launched one behind the other."""
    import torch

    from ltp_deploy.backends.torch_cuda.in_place import UNKNOWN, wait_for

    x = torch.zeros(1, device=DEVICE, dtype=torch.int32)
    count = torch.zeros(1, dtype=torch.int32, pin_memory=DEVICE == "cuda")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(LAUNCHES):
            x.add_(1)
        count.copy_(x, non_blocking=True)

    def seconds(waits: bool) -> float:
        torch.cuda.synchronize()
        count[0] = UNKNOWN
        begin = time.perf_counter()
        graph.replay()
        if waits:
            wait_for(count.numpy(), torch.cuda.current_stream())
        graph.replay()
        torch.cuda.synchronize()
        return time.perf_counter() - begin

    pairs = [(seconds(True), seconds(False)) for _ in range(REPEATS)]
    return max(0.0, median(p[0] for p in pairs) - median(p[1] for p in pairs))
