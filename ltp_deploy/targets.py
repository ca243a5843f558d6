"""The table of targets: a name, the backend behind it, and its settings."""

from __future__ import annotations

from ltp_deploy.backends import null
from ltp_deploy.backends.backend import Job, Target
from ltp_deploy.backends.onnx import compile as onnx
from ltp_deploy.backends.openvino import compile as openvino
from ltp_deploy.backends.tensorrt import compile as tensorrt
from ltp_deploy.backends.torch_cuda import compile as torch_cuda
from ltp_deploy.backends.torch_cuda.measure import gpu_at_hand
from ltp_deploy.backends.torchscript import compile as torchscript
from ltp_deploy.compiler.cost import T4
from ltp_deploy.errors import LtpError

_ALL = (
    Target(
        "cpu",
        "OpenVINO on this CPU",
        "openvino",
        openvino.write,
        ("f32", "bf16", "int8-dynamic", "int8"),
        beside_int8="bf16",
    ),
    Target(
        "haswell",
        "OpenVINO limited to AVX2",
        "openvino",
        openvino.write,
        ("f32", "int8-dynamic", "int8"),
        beside_int8="f32",
        isa="avx2",
    ),
    Target(
        "t4",
        "TensorRT on an NVIDIA T4",
        "tensorrt",
        tensorrt.write,
        ("fp16", "int8"),
        beside_int8="fp16",
        gpu=lambda: T4,
        compute_capability="7.5",
        needs_limits=True,
        check=tensorrt.check,
    ),
    Target(
        "torch-cuda",
        "PyTorch with our CUDA kernels, on any NVIDIA GPU",
        "torch-cuda",
        torch_cuda.write,
        ("fp16",),
        gpu=gpu_at_hand,
        needs_limits=True,
        check=torch_cuda.check,
    ),
    Target(
        "onnx",
        "standard ONNX operators",
        "onnxruntime",
        onnx.write,
        ("f32", "fp16", "int8"),
        beside_int8="f32",
    ),
    Target("torchscript", "plain LibTorch", "torchscript", torchscript.write, ("f32",)),
    Target("null", "compiler passes only", "null", null.write, ("f32",)),
)

TARGETS = {target.name: target for target in _ALL}


def find_target(name: str) -> Target:
    if name not in TARGETS:
        raise LtpError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")
    return TARGETS[name]


__all__ = ["TARGETS", "Job", "Target", "find_target"]
