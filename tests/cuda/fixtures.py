"""The CUDA kernels for Python on a machine without a GPU: compiled for the host, in emulation, or
by nvcc, their PTX interpreted."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ltp_deploy.backends.torch_cuda import in_place, op, queue, residual_norm
from ltp_deploy.cuda import kernels
from ltp_deploy.cuda.compile import FLAGS, nvcc
from ltp_deploy.cuda.launches import Arguments, NormArguments
from tests.cuda.ptx import Kernel, Unknown
from tests.once import Once

HERE = Path(__file__).parent
SOURCES = ("emulated.cpp", "kernels.cpp", "emulation/block.cpp", "emulation/fiber.cpp")
STREAM, CONTEXT = 7, 11
KNOWN_NVCC = "13.0"  # whose PTX the interpreter knows


@pytest.fixture(scope="session")
def emulated_kernels(once: Once) -> ctypes.CDLL:
    """A library of the kernels compiled for the host."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels' emulation with")
    flags = "-shared -fPIC -O1 -std=c++17 -fno-strict-aliasing -Wno-unknown-pragmas".split()
    includes = [f"-I{HERE / 'emulation'}", f"-I{HERE.parents[1] / 'plugins'}"]
    sources = [str(HERE / source) for source in SOURCES]

    def make(directory: Path) -> None:
        command = ["g++", *flags, *includes, *sources, "-o", str(directory / "kernels.so")]
        subprocess.run(command, check=True)

    return ctypes.CDLL(str(once(make, "emulated") / "kernels.so"))


@pytest.fixture
def emulated_gpu(
    emulated_kernels: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """CPU tensors take the op's CUDA implementation; the names of the kernels that it launches."""

    def launch(name: str, grid: tuple[int, int], threads: int, parameters: int) -> None:
        address = ctypes.c_void_p(parameters)
        found = emulated_kernels.ltp_launch(name.encode(), *grid, threads, address)
        assert found == 0, f"no kernel {name}"

    with _gpu(launch, monkeypatch) as launched:
        yield launched


@pytest.fixture(scope="session", params=["75", "90"])
def ptx(request: pytest.FixtureRequest, once: Once) -> str:
    """What nvcc makes of the kernels for a T4, and for an H100 or H200."""
    compiler = nvcc()
    if compiler is None:
        pytest.skip("no nvcc")
    sources = HERE.parents[1] / "plugins"
    options = ["-ptx", f"-arch=compute_{request.param}", *FLAGS, f"-I{sources}"]
    source = sources / "cuda" / "pruned_attention.cu"

    def make(directory: Path) -> None:
        command = [compiler, *options, str(source), "-o", str(directory / "kernels.ptx")]
        subprocess.run(command, check=True)

    return (once(make, "ptx", request.param) / "kernels.ptx").read_text()


@pytest.fixture
def run_ptx(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Like `emulated_gpu`, with kernels of a PTX text: a context manager."""

    def gpu(text: str) -> Any:
        kernel = cache(lambda name, threads: Kernel(text, name, threads))

        def launch(name: str, grid: tuple[int, int], threads: int, parameters: int) -> None:
            kind = NormArguments if name == "ltp_residual_norm" else Arguments
            address = ctypes.c_void_p.from_address(parameters).value
            try:
                program = kernel(name, threads)
            except Unknown as error:
                if f"release {KNOWN_NVCC}" in text:
                    raise
                pytest.skip(f"this nvcc writes what the interpreter does not know: {error}")
            program.run(grid, ctypes.string_at(address, ctypes.sizeof(kind)))

        return _gpu(launch, monkeypatch)

    return gpu


@contextmanager
def _gpu(launch: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """CPU tensors take the op's CUDA implementation, and `launch` the place of the driver."""
    launched: list[str] = []
    contexts: list[int] = []  # the thread's

    def launch_kernel(name: str, *arguments: int) -> tuple[int]:
        assert contexts == [CONTEXT]
        grid_x, grid_y, grid_z, threads, *ones, shared, stream, parameters, extra = arguments
        assert (grid_z, *ones, shared, stream, extra) == (1, 1, 1, 0, STREAM, 0)
        launch(name, (grid_x, grid_y), threads, parameters)
        launched.append(name)
        return (0,)

    def clear(address: int, value: int, size: int, stream: int) -> tuple[int]:
        assert (stream, contexts) == (STREAM, [CONTEXT])
        ctypes.memset(address, value, size)
        return (0,)

    def push(context: int) -> tuple[int]:
        contexts.append(context)
        return (0,)

    driver = SimpleNamespace(
        cuLaunchKernel=launch_kernel,
        cuMemsetD8Async=clear,
        cuCtxPushCurrent=push,
        cuCtxPopCurrent=lambda: (0, contexts.pop()),
    )
    stream = SimpleNamespace(cuda_stream=STREAM)
    with monkeypatch.context() as patch, torch.library._scoped_library("ltp", "IMPL") as library:
        patch.setattr(kernels, "driver", lambda: driver)
        patch.setattr(kernels, "_context", lambda device: CONTEXT)
        patch.setattr(kernels, "_function", lambda path, name, device: name)
        patch.setattr(queue, "kernels", lambda device: HERE)
        patch.setattr(torch.cuda, "current_stream", lambda device: stream)
        library.impl("pruned_attention", op.on_cuda, "CPU")
        library.impl("residual_norm", residual_norm.on_cuda, "CPU")
        library.impl("pruned_attention_into", in_place.attend_on_cuda, "CPU")
        library.impl("residual_norm_into", residual_norm.enqueue_norm, "CPU")
        torch.use_deterministic_algorithms(True)  # fills new tensors with NaN or large numbers
        try:
            yield launched
        finally:
            torch.use_deterministic_algorithms(False)
    assert not contexts
