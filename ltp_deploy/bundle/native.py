"""Where the compiled parts of this package are."""

from __future__ import annotations

import os
from pathlib import Path

from ltp_deploy.errors import LtpError

PACKAGE = Path(__file__).parents[1]
KERNELS = "ltp_cuda.fatbin"


def openvino_plugin() -> Path:
    """The OpenVINO extension library, or `LTP_OPENVINO_PLUGIN` where that is set.

    Raises:
        LtpError: it was not built.
    """
    override = os.environ.get("LTP_OPENVINO_PLUGIN")
    path = Path(override) if override else PACKAGE / "lib" / "libltp_openvino.so"
    if not path.is_file():
        raise LtpError(
            f"the OpenVINO plugin is not at {path}; build it with `pip install .` from the "
            "source tree (needs cmake and a C++17 compiler)"
        )
    return path


def cmake_dir() -> Path:
    """The folder with which CMake finds the C++ runtime: `find_package(ltp-deploy)` with
    `ltp-deploy_DIR` set to it.

    Raises:
        LtpError: it was not built.
    """
    path = PACKAGE / "lib" / "cmake" / "ltp-deploy"
    if not path.is_dir():
        raise LtpError(
            f"the C++ runtime's CMake files are not at {path}: this is a checkout that pip has not "
            "installed"
        )
    return path


def tensorrt_plugin() -> Path | None:
    """The TensorRT plugin library, or `LTP_TENSORRT_PLUGIN` where that is set; None where it was
    not built, since building it takes TensorRT's headers.

    Raises:
        LtpError: `LTP_TENSORRT_PLUGIN` names no file.
    """
    override = os.environ.get("LTP_TENSORRT_PLUGIN")
    if override and not Path(override).is_file():
        raise LtpError(f"LTP_TENSORRT_PLUGIN names {override}, which is no file")
    path = Path(override) if override else PACKAGE / "lib" / "libltp_tensorrt.so"
    return path if path.is_file() else None


def cuda_kernels() -> Path | None:
    """The fatbin of the CUDA kernels, or None where there was no nvcc to compile them."""
    path = PACKAGE / "lib" / KERNELS
    return path if path.is_file() else None


def cuda_sources() -> Path | None:
    """The folder with the kernels' sources in `cuda/` and `common/`: those that were installed,
    or those of the source tree."""
    for folder in (PACKAGE / "lib" / "sources", PACKAGE.parent / "plugins"):
        if (folder / "cuda" / "pruned_attention.cu").is_file():
            return folder
    return None


def plugin_sources() -> str | None:
    """SHA-256 of the sources of plugins and kernels, None where nothing was installed."""
    path = PACKAGE / "lib" / "plugin_sources.sha256"
    return path.read_text().strip() if path.is_file() else None
