"""The CUDA kernels for Python on a machine without a GPU: compiled for the host, in emulation."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ltp_deploy.cuda import in_place, kernels, op, residual_norm

HERE = Path(__file__).parent
SOURCES = ("emulated.cpp", "kernels.cpp", "emulation/block.cpp", "emulation/fiber.cpp")
STREAM = 7


@pytest.fixture(scope="session")
def emulated_kernels(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("no g++ to compile the kernels' emulation with")
    library = tmp_path_factory.mktemp("emulated") / "kernels.so"
    flags = "-shared -fPIC -O1 -std=c++17 -fno-strict-aliasing -Wno-unknown-pragmas".split()
    includes = [f"-I{HERE / 'emulation'}", f"-I{HERE.parents[1] / 'plugins'}"]
    sources = [str(HERE / source) for source in SOURCES]
    subprocess.run(["g++", *flags, *includes, *sources, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture
def emulated_gpu(
    emulated_kernels: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    """CPU tensors take the op's CUDA implementation; the names of the kernels that it launches."""
    driver = pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed")
    launched: list[str] = []

    def launch(name: str, *arguments: Any) -> tuple[int]:
        grid_x, grid_y, grid_z, threads, *ones, shared, stream, parameters, extra = arguments
        assert (grid_z, *ones, shared, stream, extra) == (1, 1, 1, 0, STREAM, 0)
        found = emulated_kernels.ltp_launch(
            name.encode(), grid_x, grid_y, threads, ctypes.c_void_p(parameters)
        )
        assert found == 0, f"no kernel {name}"
        launched.append(name)
        return (0,)

    def clear(address: int, value: int, size: int, stream: int) -> tuple[int]:
        assert stream == STREAM
        ctypes.memset(address, value, size)
        return (0,)

    monkeypatch.setattr(driver, "cuLaunchKernel", launch)
    runtime = SimpleNamespace(cudaMemsetAsync=clear, cudaGetDevice=lambda: (0, 0))
    monkeypatch.setattr(kernels, "_function", lambda path, name, device: name)
    monkeypatch.setattr(kernels, "runtime", lambda: runtime)
    monkeypatch.setattr(op, "kernels", lambda device: HERE)
    monkeypatch.setattr(residual_norm, "kernels", lambda device: HERE)
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=STREAM)
    )
    with torch.library._scoped_library("ltp", "IMPL") as library:
        library.impl("pruned_attention", op.on_cuda, "CPU")
        library.impl("residual_norm", residual_norm.on_cuda, "CPU")
        library.impl("pruned_attention_into", in_place.attend_on_cuda, "CPU")
        library.impl("residual_norm_into", residual_norm.enqueue_norm, "CPU")
        yield launched
