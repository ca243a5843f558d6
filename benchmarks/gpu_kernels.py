"""The kernels and their C++ tests compiled for a real GPU, which runs the tests alone and under
compute-sanitizer. Elsewhere they run in emulation."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gpu_run import Budget, Row

from ltp_deploy.cuda.compile import FLAGS

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
ALONE = 40.0  # seconds, of one test
T4_PTX = "-gencode=arch=compute_75,code=compute_75"


def machine_code(compute_capability: str) -> str:
    """The option that makes nvcc compile for one GPU. `T4_PTX` leaves that to the driver, which
    compiles the code of a T4 for any later GPU."""
    return f"-arch=sm_{compute_capability.replace('.', '')}"


def compile_ptx(nvcc: str, folder: Path) -> Path:
    """The kernels as PTX for sm_75, without machine code.

    Raises:
        RuntimeError: nvcc fails; with its message.
    """
    made, sources = folder / "ltp_cuda-sm_75-ptx.fatbin", ROOT / "plugins"
    source = sources / "cuda" / "pruned_attention.cu"
    _nvcc([nvcc, "-fatbin", T4_PTX, *FLAGS, f"-I{sources}", str(source), "-o", str(made)])
    return made


def build(nvcc: str, architecture: str, folder: Path) -> list[Path]:
    """Compile the tests; returns the programs.

    Args:
        architecture: what `machine_code` gives, or `T4_PTX`.
        folder: is made, and holds the programs.

    Raises:
        RuntimeError: nvcc fails; with its message.
    """
    folder.mkdir()
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


def run_tests(programs: dict[str, list[Path]], budget: Budget) -> list[Row]:
    """Run each test alone. `programs` are by the code that they run."""
    return [
        {"code": code, **_run(program, "", [], ALONE)}
        for code, tests in programs.items()
        for program in tests
        if budget.allows(f"{code}: {program.name}")
    ]


def sanitize(nvcc: str | None, programs: dict[str, list[Path]], budget: Budget) -> list[Row]:
    """Run each test under every tool, several at once, and stop them when the time is over.

    `passed` is None if the tool itself does not work on this machine, or takes too long.
    """
    beside = [str(Path(nvcc).parent)] if nvcc else []
    folders = os.pathsep.join([os.environ.get("PATH", ""), *beside])
    sanitizer = shutil.which("compute-sanitizer", path=folders)
    if sanitizer is None:
        return [{"skipped": "compute-sanitizer is not installed"}]

    def run(code: str, tool: str, program: Path) -> Row | None:
        if not budget.allows(f"{code}: {program.name} under {tool}", 1.0):
            return None
        command = [sanitizer, "--tool", tool, "--error-exitcode", str(FOUND)]
        return {"code": code, **_run(program, tool, command, budget.left)}

    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(run, code, tool, program)
            for code, tests in programs.items()
            for tool in TOOLS
            for program in tests
        ]
        return [row for each in runs if (row := each.result())]


def _run(program: Path, tool: str, command: list[str], limit: float) -> Row:
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
