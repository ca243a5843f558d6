"""The table of targets: a name, its backend, precisions and limits."""

from __future__ import annotations

from ltp_deploy.backends.backend import Target
from ltp_deploy.backends.table import BACKENDS
from ltp_deploy.errors import LtpError

_OPENVINO, _TENSORRT = BACKENDS["openvino"], BACKENDS["tensorrt"]

_ALL = (
    Target(
        "cpu",
        "OpenVINO on this CPU",
        _OPENVINO,
        ("f32", "bf16", "int8-dynamic", "int8"),
        beside_int8="bf16",
    ),
    Target(
        "haswell",
        "OpenVINO, our operators limited to AVX2",
        _OPENVINO,
        ("f32", "int8-dynamic", "int8"),
        beside_int8="f32",
        isa="avx2",
    ),
    Target(
        "t4",
        "TensorRT on an NVIDIA T4",
        _TENSORRT,
        ("fp16", "int8"),
        beside_int8="fp16",
        compute_capability="7.5",
        needs_limits=True,
    ),
    Target(
        "torch-cuda",
        "PyTorch with our CUDA kernels, on any NVIDIA GPU",
        BACKENDS["torch-cuda"],
        ("fp16",),
        needs_limits=True,
    ),
    Target(
        "onnx",
        "standard ONNX operators",
        BACKENDS["onnxruntime"],
        ("f32", "fp16", "int8"),
        beside_int8="f32",
    ),
    Target("torchscript", "plain LibTorch", BACKENDS["torchscript"], ("f32",)),
    Target("null", "the compiler alone", BACKENDS["null"], ("f32",), advised=False),
)

TARGETS = {target.name: target for target in _ALL}


def find_target(name: str) -> Target:
    """A target by its name.

    Raises:
        LtpError: there is none of that name.
    """
    if name not in TARGETS:
        raise LtpError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")
    return TARGETS[name]
