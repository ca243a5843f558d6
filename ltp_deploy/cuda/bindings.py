"""NVIDIA's cuda-python, and what its errors mean."""

from __future__ import annotations

from typing import Any

from ltp_deploy.errors import LtpError, needs

TOO_NEW = (  # for the driver: what it answers then
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
    """The value of a call of cuda-python, which returns an error code and values.

    Raises:
        LtpError: CUDA reports an error.
    """
    error, *values = result
    if int(error) != 0:
        hint = "; the driver is older than cuda-python and kernels need: update it, or install an "
        hint += "older cuda-python and build with an older nvcc"
        raise LtpError(f"CUDA failed: {error.name}{hint if error.name in TOO_NEW else ''}")
    return values[0] if values else None
