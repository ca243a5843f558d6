"""The machine and the package versions on which figures were measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from ltp_deploy.hardware.gpu import gpus

# CPU flags that decide which kernels run, x86 and Arm.
FLAGS = (
    "avx2",
    "fma",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "i8mm",
    "bf16",
)
PACKAGES = ("ltp-deploy", "openvino", "torch", "transformers", "onnxruntime", "numpy")


def describe_machine() -> dict[str, Any]:
    """What to write next to figures, ready for JSON: the GPUs, the CPU's model and those of its
    flags that decide which kernels run, the cores that this process may use, memory in GiB, and the
    versions of Python and of packages."""
    info = _cpuinfo()
    flags = (info.get("flags") or info.get("Features", "")).split()  # x86's word, and Arm's
    return {
        "gpus": [gpu.name for gpu in gpus()],
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
