"""Launching the compiled kernels through the CUDA driver."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltp_deploy.cuda.bindings import check, driver
from ltp_deploy.cuda.launches import KERNELS, Arguments, Launch, Layer, Rule, launches, workspace


@dataclass(frozen=True)
class Queue:
    """Where kernels are launched.

    Attributes:
        device: the GPU's number.
        stream: the handle of one of its streams.
        kernels: the file of compiled kernels.
    """

    device: int
    stream: int
    kernels: Path


def pruned_attention(
    layer: Layer,
    rows: int,
    sequences: int,
    pointers: dict[str, int],
    scratch: int,
    queue: Queue,
) -> None:
    """Queue the kernels of one layer. No host sync.

    Args:
        layer: its heads, rule and carry.
        rows, sequences: T and B of the tensors, padding included.
        pointers: device addresses by the names of the op's inputs and outputs. `count` is there
            where the carry is SURVIVORS. It may be there where the carry is BOUNDED, and may then
            be an address of pinned memory.
        scratch: device address of `workspace(...).bytes` bytes, aligned to 256.
        queue: where the kernels are launched.

    Raises:
        LtpError: CUDA reports an error.
    """
    space = workspace(layer, rows, sequences)
    parts = {name: scratch + place for name, place in space.places.items()}
    rule = layer.rule
    arguments = Arguments(
        **{"attended": pointers["context"], **pointers, **parts},
        rows=rows,
        sequences=sequences,
        heads=layer.heads,
        head_size=layer.head_size,
        rule=Rule(int(rule.mode), rule.threshold, layer.score_length, layer.keep_first),
        carry=int(layer.carry),
    )
    if space.zeroed:
        with _current(queue.device):
            check(driver().cuMemsetD8Async(scratch, 0, space.zeroed, queue.stream))
    enqueue(launches(layer, rows, sequences), arguments, queue)


def enqueue(launches: Sequence[Launch], arguments: ctypes.Structure, queue: Queue) -> None:
    """Launch kernels one after another, each with a copy of `arguments` as its only parameter.

    Raises:
        LtpError: CUDA reports an error.
    """
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
    with _current(queue.device):
        for launch in launches:
            check(
                driver().cuLaunchKernel(
                    _function(queue.kernels, launch.kernel, queue.device),
                    *(*launch.grid, 1),
                    *(launch.threads, 1, 1),
                    0,
                    queue.stream,
                    ctypes.addressof(parameters),
                    0,
                )
            )


def load_kernels(queue: Queue) -> None:
    """Load all kernels of attention, so that their first launch may be captured in a graph.

    Raises:
        LtpError: CUDA reports an error.
    """
    with _current(queue.device):
        for name in KERNELS:
            _function(queue.kernels, name, queue.device)


@contextmanager
def _current(device: int) -> Iterator[None]:
    """Make the context of a device current on this thread, and the one before it afterwards.

    It is the context that the CUDA runtime, and so PyTorch, uses. A new thread has none until it
    calls the runtime, which PyTorch may not have done there yet.
    """
    check(driver().cuCtxPushCurrent(_context(device)))
    try:
        yield
    finally:
        check(driver().cuCtxPopCurrent())


@functools.cache
def _context(device: int) -> Any:
    check(driver().cuInit(0))
    return check(driver().cuDevicePrimaryCtxRetain(check(driver().cuDeviceGet(device))))


@functools.cache
def _function(path: Path, name: str, device: int) -> Any:
    """Attention asks for all shared memory, see plugins/cuda/pruned_attention.h."""
    function = check(driver().cuModuleGetFunction(_module(path, device), name.encode()))
    shared = 100 if name.startswith("ltp_attend") else -1  # percent, or as the driver likes
    carveout = driver().CUfunction_attribute.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT
    check(driver().cuFuncSetAttribute(function, carveout, shared))
    return function


@functools.cache
def _module(path: Path, device: int) -> Any:
    return check(driver().cuModuleLoadData(path.read_bytes()))
