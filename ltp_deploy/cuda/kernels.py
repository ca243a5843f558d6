"""The compiled kernels, launched through the CUDA driver."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

from ltp_deploy.cuda.launches import Arguments, Launch, Layer, Rule, launches, workspace
from ltp_deploy.cuda.memory import check, runtime


def pruned_attention(
    layer: Layer,
    rows: int,
    sequences: int,
    pointers: dict[str, int],
    scratch: int,
    stream: int,
    fatbin: Path,
) -> None:
    """Enqueue one layer on a stream; nothing is waited for.

    Args:
        rows, sequences: T and B of the buffers.
        pointers: device addresses by the names of the op's inputs and outputs; `count` where the
            carry is SURVIVORS, and perhaps where it is BOUNDED, then perhaps of pinned memory.
        scratch: device address of `workspace(...).bytes` bytes, aligned to 256.
        fatbin: the compiled kernels.
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
        check(runtime().cudaMemsetAsync(parts["scores"], 0, 8 * rows, stream))
    for launch in launches(layer, rows, sequences):
        enqueue(launch, arguments, stream, fatbin)


def enqueue(launch: Launch, arguments: ctypes.Structure, stream: int, fatbin: Path) -> None:
    """Launch one kernel, whose only parameter is a copy of `arguments`."""
    device = check(runtime().cudaGetDevice())
    from cuda.bindings import driver

    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
    check(
        driver.cuLaunchKernel(
            _function(fatbin, launch.kernel, device),
            *(*launch.grid, 1),
            *(launch.threads, 1, 1),
            0,
            stream,
            ctypes.addressof(parameters),
            0,
        )
    )


@functools.cache
def _function(path: Path, name: str, device: int) -> Any:
    from cuda.bindings import driver

    return check(driver.cuModuleGetFunction(_module(path, device), name.encode()))


@functools.cache
def _module(path: Path, device: int) -> Any:
    from cuda.bindings import driver

    runtime().cudaFree(0)  # makes the device's context current, which modules are loaded into
    return check(driver.cuModuleLoadData(path.read_bytes()))
