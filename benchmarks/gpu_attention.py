"""Attention alone at three sizes, with and without its request for shared memory, against lower
bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from gpu_run import Budget, Row
from gpu_sensors import Sensors
from gpu_timing import Pace, Recorded, Timed

import ltp_deploy.backends.torch_cuda.op  # noqa: F401  the kernels, for CUDA tensors
from ltp_deploy.backends.torch_cuda.queue import queue_of
from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.cuda import kernels
from ltp_deploy.cuda.bindings import check, driver
from ltp_deploy.cuda.launches import KERNELS
from ltp_deploy.model.policy import Carry, Mode

CALLS = 20
DEFAULT = -1  # percent of shared memory: as the driver likes
SCORED = "attention, scores, survivors moved"


@dataclass(frozen=True)
class Kernels:
    """Kernels of one kind of layer: its rule, how many products of queries with keys, or as large,
    they compute, and whether they have the kernel that asks for shared memory."""

    name: str
    mode: Mode
    threshold: float
    carry: Carry
    products: int
    carveout: bool = True


KINDS = (
    Kernels("attention, scores", Mode.ABSOLUTE, 0.0, Carry.ALL, 3),
    Kernels(SCORED, Mode.TOPK, 0.5, Carry.BOUNDED, 3),
    Kernels("attention", Mode.NONE, 0.0, Carry.ALL, 2),
    Kernels("first rows alone", Mode.NONE, 0.0, Carry.FIRST, 2, carveout=False),
)


@dataclass(frozen=True)
class Shapes:
    """What attention is timed on.

    Attributes:
        requests: numbers of (sequences, tokens of each).
        heads, head_size: of the model.
        pace: rest and load before each measurement.
    """

    requests: tuple[tuple[int, int], ...]
    heads: int
    head_size: int
    pace: Pace


def time_attention(
    device: str, shapes: Shapes, gpu: GpuCost, sensors: Sensors, budget: Budget
) -> list[Row]:
    """Time the whole op, and PyTorch's attention.

    The lower bounds (`floor_...`, in microseconds) are the op's multiply-adds at the rate of a
    large product, and the bytes of its inputs and outputs at the rate of a large copy.
    """
    found: list[tuple[Row, Timed]] = []
    for kind in (*KINDS, None):
        for sequences, length in shapes.requests:
            for carveout in ("as set", "default") if kind and kind.carveout else ("",):
                if carveout == "default" and device == "cpu":
                    continue
                name = kind.name if kind else "PyTorch's attention"
                row: Row = {"request": f"{sequences} x {length}", "kernels": name}
                if carveout:
                    row["carveout"] = carveout
                if not budget.allows(" ".join(row.values()), shapes.pace.seconds):
                    continue
                qkv = _qkv(device, shapes, sequences * length)
                with carveout_of(qkv, DEFAULT) if carveout == "default" else nullcontext():
                    timed = _timed(qkv, kind, sequences, shapes)
                row |= {"cold_us": 1e6 * timed.cold, "sustained_us": 1e6 * timed.sustained}
                if kind:
                    row |= _floors(kind, sequences, length, shapes, gpu, timed)
                found.append((row, timed))
    rows = sensors.described(found)
    if device == "cpu":
        rows.append({"skipped": "the shared-memory carve-out: an attribute of kernels on a GPU"})
    return rows


@contextmanager
def carveout_of(tensor: torch.Tensor, percent: int) -> Iterator[None]:
    """Have the attention kernels on a tensor's GPU ask for so much of what shared memory and L1
    cache have together, and for what they asked before afterwards."""
    queue = queue_of(tensor)
    attribute = driver().CUfunction_attribute.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT
    functions = [
        kernels._function(queue.kernels, name, queue.device)
        for name in KERNELS
        if name.startswith("ltp_attend")
    ]
    before = [check(driver().cuFuncGetAttribute(attribute, function)) for function in functions]
    for function in functions:
        check(driver().cuFuncSetAttribute(function, attribute, percent))
    try:
        yield
    finally:
        for function, value in zip(functions, before, strict=True):
            check(driver().cuFuncSetAttribute(function, attribute, value))


def _qkv(device: str, shapes: Shapes, rows: int) -> torch.Tensor:
    columns = 3 * shapes.heads * shapes.head_size
    return torch.randn(rows, columns, device=device, dtype=torch.float16)


def _timed(qkv: torch.Tensor, kind: Kernels | None, sequences: int, shapes: Shapes) -> Timed:
    """The kernels of a layer on sequences of equal length; PyTorch's attention for None."""
    rows, device = len(qkv), qkv.device.type
    if kind:
        offsets = torch.arange(0, rows + 1, rows // sequences, device=qkv.device, dtype=torch.int32)
        alive = torch.ones(rows, device=qkv.device, dtype=torch.int32)
        given = (qkv, offsets, alive, offsets[1:] - offsets[:-1])
        rule = (shapes.heads, int(kind.mode), kind.threshold, 0, True, int(kind.carry))
        call = partial(torch.ops.ltp.pruned_attention, *given, *rule)
    else:
        parts = qkv.view(sequences, -1, 3, shapes.heads, shapes.head_size).permute(2, 0, 3, 1, 4)
        call = partial(torch.nn.functional.scaled_dot_product_attention, *parts)
    return Recorded([call] * CALLS, device).timed(shapes.pace)


def _floors(
    kind: Kernels, sequences: int, length: int, shapes: Shapes, gpu: GpuCost, timed: Timed
) -> Row:
    hidden, rows = shapes.heads * shapes.head_size, sequences * length
    queries = sequences if kind.carry is Carry.FIRST else rows  # and rows of context
    compute = kind.products * 2 * queries * length * hidden / gpu.flops
    memory = 2 * hidden * (2 * rows + 2 * queries) / gpu.bandwidth
    return {
        "floor_compute": 1e6 * compute,
        "floor_memory": 1e6 * memory,
        "times_floor": timed.cold / max(compute, memory),
    }
