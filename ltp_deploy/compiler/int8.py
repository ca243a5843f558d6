"""What int8 means in every backend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltp_deploy.hardware.machine import describe_machine

INT8 = ("int8-dynamic", "int8")  # values of --precision
AVX2_MIXED, AVX2_SINGLE = 1.38, 1.43  # benchmarks/results/*-limited-to-avx2-*-int8-dynamic.json
MIN_COLUMNS = 32  # narrower products, such as the classifier's, are left as they are


@dataclass(frozen=True)
class ActivationRange:
    """Of x [T, depth], what enters one linear layer.

    Attributes:
        low, high: ends of smooth * x on the sample data, zero between them.
        smooth: [depth] factors that make the columns of x alike (SmoothQuant); the weights are
            divided by them.
    """

    low: float
    high: float
    smooth: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.low <= 0 <= self.high or not 0 < self.high - self.low < float("inf"):
            raise ValueError(f"a range from {self.low} to {self.high}")

    def asymmetric(self) -> tuple[float, int]:
        """(scale, zero point): smooth * x ~ scale * (q - zero point) for q of 0 to 255."""
        scale = (self.high - self.low) / 255
        return scale, round(-self.low / scale)

    def symmetric(self) -> float:
        """The scale: smooth * x ~ scale * q for q of -127 to 127."""
        return max(-self.low, self.high) / 127


FAST_INT8 = {"avx512_vnni", "amx_int8", "asimddp"}  # CPU flags


def slow_int8_warning(isa: str) -> str | None:
    """A warning where this CPU, or a limit to `isa`, has no instructions for int8; else None."""
    if isa != "avx2" and FAST_INT8.intersection(describe_machine()["flags"]):
        return None
    return (
        "warning: without AVX512-VNNI, AMX or Arm's DotProd int8 may gain little: under AVX2 "
        f"RoBERTa-base ran at {AVX2_MIXED}x the speed of f32 on 32 texts at once, at "
        f"{AVX2_SINGLE}x on one"
    )


def quantized(weight: np.ndarray, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(values int8 [columns, depth], scales f32 [columns]) with weight ~ values * scales.

    Symmetric: the largest magnitude of each column becomes 127. No scale is smaller than `least`.
    """
    scales = np.maximum(np.abs(weight).max(1) / 127, least)
    safe = np.where(scales > 0, scales, 1)
    return np.rint(weight / safe[:, None]).astype(np.int8), scales.astype(np.float32)
