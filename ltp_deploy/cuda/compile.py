"""The kernels' machine code for the GPUs of this machine."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ltp_deploy.bundle.native import cuda_kernels, cuda_sources
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.gpu import gpus

FLAGS = ("-std=c++17", "-O3")


@functools.cache
def kernels(device: int = 0) -> Path:
    """The file of compiled kernels that the driver loads for a GPU.

    nvcc compiles it, once for each kind of GPU, version of nvcc and state of the sources. Without
    nvcc it is the fatbin that ltp-deploy was installed with, from whose PTX the driver makes
    machine code for any GPU.

    Args:
        device: the GPU's number among those that the driver shows.

    Raises:
        LtpError: nvcc fails, or there is neither nvcc nor a fatbin.
    """
    compiler, sources, present = nvcc(), cuda_sources(), gpus()
    if compiler and sources and device < len(present):
        return compiled(compiler, sources, present[device].compute_capability)
    installed = cuda_kernels()
    if installed is None:
        raise LtpError(
            "there are no compiled CUDA kernels and no nvcc to compile them; install the CUDA "
            "toolkit, with nvcc on the PATH or its folder in CUDA_HOME"
        )
    return installed


def nvcc() -> str | None:
    """The path of CUDA's compiler: in CUDA_HOME, on the PATH, or in its usual place, if at all."""
    home = os.environ.get("CUDA_HOME")
    found = shutil.which("nvcc", path=f"{home}/bin") if home else None
    return found or shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


def compiled(compiler: str, sources: Path, compute_capability: str) -> Path:
    """The sources compiled to a cubin for one kind of GPU, or the cubin of an earlier call.

    Args:
        compiler: the path of nvcc.
        sources: the folder with `cuda/` and `common/`.
        compute_capability: of the GPU, such as "9.0".

    Raises:
        LtpError: nvcc fails; the message ends with its own.
    """
    architecture = f"sm_{compute_capability.replace('.', '')}"
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True).stdout
    digest = hashlib.sha256(b"\0".join([version, *map(str.encode, FLAGS)]))
    for path in sorted(p for part in ("cuda", "common") for p in (sources / part).glob("*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    path = cache_folder() / f"ltp_cuda-{architecture}-{digest.hexdigest()[:16]}.cubin"
    if path.is_file():
        return path
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        source = sources / "cuda" / "pruned_attention.cu"
        options = ["-cubin", f"-arch={architecture}", *FLAGS, f"-I{sources}"]
        command = [compiler, *options, str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise LtpError(f"nvcc cannot compile the CUDA kernels: {done.stderr.strip()}")
        made.replace(path)
    return path


def cache_folder() -> Path:
    """The user's cache folder, or a temporary folder where that cannot be written."""
    return lasting_cache_folder() or Path(tempfile.mkdtemp(prefix="ltp-deploy-"))


def lasting_cache_folder() -> Path | None:
    """The user's cache folder; None where it cannot be written."""
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        (root / "ltp-deploy").mkdir(parents=True, exist_ok=True)
        if os.access(root / "ltp-deploy", os.W_OK):
            return root / "ltp-deploy"
    except (OSError, RuntimeError):  # a user without a name has no home
        pass
    return None
