"""What each CUDA kernel needs of a multiprocessor of a T4. No GPU is needed.

Registers, shared memory and spills come from nvcc; how many blocks fit follows from the limits of
compute capability 7.5. Writes benchmarks/results/cuda-sm_75-resources.json.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/cuda-sm_75-resources.json"

# Limits per multiprocessor, from the CUDA programming guide.
REGISTERS, SHARED_BYTES, WARPS, BLOCKS = 65536, 65536, 32, 16


def round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def blocks_per_multiprocessor(threads: int, registers: int, shared_bytes: int) -> int:
    """Registers are allocated by 256 per warp for 4 warps at a time, shared memory by 256 bytes."""
    warps = threads // 32
    warps_by_registers = REGISTERS // round_up(registers * 32, 256) // 4 * 4
    by_shared = SHARED_BYTES // round_up(max(shared_bytes, 1), 256)
    return min(warps_by_registers // warps, by_shared, WARPS // warps, BLOCKS)


def nvcc(*arguments: object) -> str:
    command = ["nvcc", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def compile_kernels() -> tuple[str, str]:
    """The PTX, and the log of ptxas with its resources."""
    with tempfile.TemporaryDirectory() as folder:
        ptx = Path(folder) / "kernels.ptx"
        source = ROOT / "plugins/cuda/pruned_attention.cu"
        nvcc(
            "-std=c++17",
            "-O3",
            "-arch=compute_75",
            "-I",
            ROOT / "plugins",
            "-ptx",
            source,
            "-o",
            ptx,
        )
        log = nvcc("-arch=sm_75", "-Xptxas", "-v", "-cubin", ptx, "-o", ptx.with_suffix(".cubin"))
        return ptx.read_text(), log


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0


def resources(ptx: str, log: str) -> dict[str, dict[str, int]]:
    threads = {
        name: int(count)
        for name, count in re.findall(r"\.entry (\w+)\(.*?\.maxntid (\d+)", ptx, flags=re.DOTALL)
    }
    kernels = {}
    for name, text in re.findall(
        r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry|\Z)", log, flags=re.DOTALL
    ):
        registers, shared = number(r"Used (\d+) registers", text), number(r"(\d+) bytes smem", text)
        blocks = blocks_per_multiprocessor(threads[name], registers, shared)
        kernels[name] = {
            "threads": threads[name],
            "registers": registers,
            "shared_bytes": shared,
            "spill_store_bytes": number(r"(\d+) bytes spill stores", text),
            "spill_load_bytes": number(r"(\d+) bytes spill loads", text),
            "stack_bytes": number(r"(\d+) bytes stack frame", text),
            "blocks_per_multiprocessor": blocks,
            "warps_per_multiprocessor": blocks * threads[name] // 32,
        }
    return dict(sorted(kernels.items()))


def main() -> None:
    kernels = resources(*compile_kernels())
    release = re.search(r"release [\d.]+, V([\d.]+)", nvcc("--version"))
    version = release.group(1) if release else ""
    result = {"architecture": "sm_75", "nvcc": version, "kernels": kernels}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, kernel in kernels.items():
        print(name, kernel)
    if any(kernel["spill_store_bytes"] for kernel in kernels.values()):
        raise SystemExit("a kernel spills registers")


if __name__ == "__main__":
    main()
