"""NVIDIA's package cuda-python, imported only when needed, and its errors as exceptions."""

from __future__ import annotations

from typing import Any

from ltp_deploy.errors import LtpError, needs

# What a driver answers that is older than cuda-python or the kernels.
DRIVER_TOO_OLD = (
    "cudaErrorInsufficientDriver",
    "CUDA_ERROR_INVALID_IMAGE",
    "CUDA_ERROR_NO_BINARY_FOR_GPU",
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
)


def runtime() -> Any:
    """The module `cuda.bindings.runtime`.

    Raises:
        LtpError: it is not installed.
    """
    with needs("running on a GPU needs cuda-python", "cuda"):
        from cuda.bindings import runtime
    return runtime


def driver() -> Any:
    """The module `cuda.bindings.driver`.

    Raises:
        LtpError: it is not installed.
    """
    with needs("running on a GPU needs cuda-python", "cuda"):
        from cuda.bindings import driver
    return driver


def check(result: tuple[Any, ...]) -> Any:
    """The value that a call of cuda-python returned.

    Args:
        result: what the call returned: an error code, and perhaps a value.

    Raises:
        LtpError: the code says that the call failed.
    """
    error, *values = result
    if int(error) != 0:
        hint = (
            "; the driver is older than cuda-python and kernels need: update it, or install an "
            "older cuda-python and build with an older nvcc"
        )
        raise LtpError(f"CUDA failed: {error.name}{hint if error.name in DRIVER_TOO_OLD else ''}")
    return values[0] if values else None
