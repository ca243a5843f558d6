"""The kernels' own C++ tests, which otherwise run in emulation, on a real GPU, and under
compute-sanitizer."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TESTS = ("attend", "first_row", "decide", "carry", "invariance", "garbage", "residual_norm")
SHARED = (
    "plugins/cuda/pruned_attention.cu",
    "plugins/openvino/packed_attention.cpp",  # free of OpenVINO; what problem.cpp can run
    "tests/cuda/device.cpp",
    "tests/plugins/compare.cpp",
    "tests/plugins/problem.cpp",
    "tests/plugins/reference.cpp",
)
INCLUDES = ("tests/cuda/gpu", "plugins", "plugins/openvino", "tests/plugins")
TOOLS = ("memcheck", "racecheck")
LIMIT = 100  # seconds of one test; a sanitizer slows some down a hundred times


def build(nvcc: str, compute_capability: str, folder: Path) -> list[Path]:
    """Compile the tests for one GPU; returns the programs.

    Raises:
        subprocess.CalledProcessError: nvcc fails.
    """
    architecture = f"-arch=sm_{compute_capability.replace('.', '')}"
    flags = ["-std=c++17", "-O2", "-lineinfo", architecture, "-DLTP_TEST_ON_GPU"]
    flags += [f"-I{ROOT / include}" for include in INCLUDES]

    def compiled(source: str) -> Path:
        made = folder / f"{Path(source).name}.o"
        subprocess.run([nvcc, "-c", *flags, str(ROOT / source), "-o", str(made)], check=True)
        return made

    def linked(name: str) -> Path:
        program = folder / f"test_{name}"
        parts = [compiled(f"tests/cuda/test_{name}.cpp"), *shared]
        subprocess.run([nvcc, *map(str, parts), "-o", str(program)], check=True)
        return program

    with ThreadPoolExecutor() as pool:
        shared = list(pool.map(compiled, SHARED))
        return list(pool.map(linked, TESTS))


def check(programs: list[Path]) -> list[dict[str, Any]]:
    """Run each test alone and under every tool; `passed` is None where a tool does not work."""
    results = [_run(program, "", []) for program in programs]
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        said = "compute-sanitizer is not installed"
        return [*results, *({"under": tool, "passed": None, "said": said} for tool in TOOLS)]
    for tool in TOOLS:
        command = [sanitizer, "--tool", tool, "--error-exitcode", "9"]
        with ThreadPoolExecutor() as pool:
            results += pool.map(functools.partial(_run, tool=tool, command=command), programs)
    return results


def _run(program: Path, tool: str, command: list[str]) -> dict[str, Any]:
    environment = {**os.environ, "CUDA_LAUNCH_BLOCKING": "1"}
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, str(program)], env=environment, capture_output=True, text=True, timeout=LIMIT
        )
        said, passed = (done.stdout + done.stderr).strip(), done.returncode == 0
    except subprocess.TimeoutExpired:
        said, passed = f"stopped after {LIMIT} s", None if tool else False
    if tool and "Device not supported" in said:
        passed = None
    return {
        "test": program.name,
        "under": tool,
        "passed": passed,
        "seconds": round(time.perf_counter() - begin, 1),
        "said": said[-600:],
    }
