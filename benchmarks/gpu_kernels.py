"""The kernels' C++ tests on a real GPU, alone and under compute-sanitizer. Elsewhere they run in
emulation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TESTS = ("attend", "first_row", "decide", "carry", "invariance", "garbage", "residual_norm")
SHARED = (
    "plugins/cuda/pruned_attention.cu",
    "tests/cuda/device.cpp",
    "tests/plugins/compare.cpp",
    "tests/plugins/problem.cpp",
    "tests/plugins/reference.cpp",
)
INCLUDES = ("tests/cuda/gpu", "plugins", "plugins/openvino", "tests/plugins")
TOOLS = ("memcheck", "racecheck")
FOUND = 9  # exit status of a tool that found a fault
ALONE, TOGETHER = 40, 150  # time limits in seconds: of one test, and of all under the tools


def build(nvcc: str, compute_capability: str, folder: Path) -> list[Path]:
    """Compile the tests for one GPU; returns the programs.

    Raises:
        RuntimeError: nvcc fails; with its message.
    """
    architecture = f"-arch=sm_{compute_capability.replace('.', '')}"
    flags = ["-std=c++17", "-O2", "-lineinfo", architecture, "-DLTP_TEST_ON_GPU"]
    flags += [f"-I{ROOT / include}" for include in INCLUDES]

    def compiled(source: str) -> Path:
        made = folder / f"{Path(source).name}.o"
        _nvcc([nvcc, "-c", *flags, str(ROOT / source), "-o", str(made)])
        return made

    def linked(name: str) -> Path:
        program = folder / f"test_{name}"
        parts = [compiled(f"tests/cuda/test_{name}.cpp"), *shared]
        _nvcc([nvcc, *map(str, parts), "-o", str(program)])
        return program

    with ThreadPoolExecutor() as pool:
        shared = list(pool.map(compiled, SHARED))
        return list(pool.map(linked, TESTS))


def _nvcc(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"nvcc fails: {done.stderr.strip()[-600:]}")


def check(programs: list[Path]) -> list[dict[str, Any]]:
    """Run each test alone."""
    return [_run(program, "", [], ALONE) for program in programs]


def sanitize(nvcc: str, programs: list[Path]) -> list[dict[str, Any]]:
    """Run each test under every tool, several at once.

    `passed` is None if the tool itself does not work on this machine, or takes too long.
    """
    folders = os.pathsep.join([os.environ.get("PATH", ""), str(Path(nvcc).parent)])
    sanitizer = shutil.which("compute-sanitizer", path=folders)
    if sanitizer is None:
        message = "compute-sanitizer is not installed"
        return [{"under": tool, "passed": None, "message": message} for tool in TOOLS]
    end = time.monotonic() + TOGETHER

    def run(tool: str, program: Path) -> dict[str, Any]:
        command = [sanitizer, "--tool", tool, "--error-exitcode", str(FOUND)]
        return _run(program, tool, command, max(1.0, end - time.monotonic()))

    pairs = [(tool, program) for tool in TOOLS for program in programs]
    with ThreadPoolExecutor() as pool:
        return list(pool.map(run, *zip(*pairs, strict=True)))


def _run(program: Path, tool: str, command: list[str], limit: float) -> dict[str, Any]:
    environment = {**os.environ, "CUDA_LAUNCH_BLOCKING": "1"}
    begin = time.perf_counter()
    child = subprocess.Popen(
        [*command, str(program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = child.communicate(timeout=limit)
        failed = child.returncode == FOUND or "FAILED (" in output
        passed = True if child.returncode == 0 else False if failed or not tool else None
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # and the test, which a tool would leave running
        output, passed = f"stopped after {limit:.0f} s", None if tool else False
        child.communicate()
    return {
        "test": program.name,
        "under": tool,
        "passed": passed,
        "seconds": round(time.perf_counter() - begin, 1),
        "message": output.strip()[-600:],
    }
