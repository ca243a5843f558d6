"""The compiled kernels, launched through the CUDA driver."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ltp_deploy.cuda.launches import Arguments, Launch, Layer, Rule, launches, workspace
from ltp_deploy.cuda.memory import check
from ltp_deploy.errors import needs


def driver() -> Any:
    """The module `cuda.bindings.driver`.

    Raises:
        LtpError: it is not installed.
    """
    with needs("running on a GPU needs cuda-python", "cuda"):
        from cuda.bindings import driver
    return driver


def pruned_attention(
    layer: Layer,
    rows: int,
    sequences: int,
    pointers: dict[str, int],
    scratch: int,
    stream: int,
    fatbin: Path,
    device: int,
) -> None:
    """Enqueue one layer on a stream; nothing is waited for.

    Args:
        rows, sequences: T and B of the buffers.
        pointers: device addresses by the names of the op's inputs and outputs; `count` where the
            carry is SURVIVORS, and perhaps where it is BOUNDED, then perhaps of pinned memory.
        scratch: device address of `workspace(...).bytes` bytes, aligned to 256.
        fatbin: the compiled kernels.
        device: whose stream and addresses these are.
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
    if "scores" in parts and rows:
        with _current(device):
            check(driver().cuMemsetD8Async(parts["scores"], 0, 8 * rows, stream))
    enqueue(launches(layer, rows, sequences), arguments, stream, fatbin, device)


def enqueue(
    launches: Sequence[Launch],
    arguments: ctypes.Structure,
    stream: int,
    fatbin: Path,
    device: int,
) -> None:
    """Launch kernels, whose only parameter is a copy of `arguments`, on a stream of the device."""
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
    with _current(device):
        for launch in launches:
            check(
                driver().cuLaunchKernel(
                    _function(fatbin, launch.kernel, device),
                    *(*launch.grid, 1),
                    *(launch.threads, 1, 1),
                    0,
                    stream,
                    ctypes.addressof(parameters),
                    0,
                )
            )


@contextmanager
def _current(device: int) -> Iterator[None]:
    """The thread's context is the device's, which the CUDA runtime and so PyTorch use too. A new
    thread has none until the runtime, which PyTorch may not have called there yet, gives it one."""
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
    return check(driver().cuModuleGetFunction(_module(path, device), name.encode()))


@functools.cache
def _module(path: Path, device: int) -> Any:
    return check(driver().cuModuleLoadData(path.read_bytes()))
