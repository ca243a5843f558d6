"""What int8 means in every backend."""

from __future__ import annotations

import numpy as np

from ltp_deploy.hardware.machine import describe_machine

INT8 = ("int8-dynamic", "int8")  # values of --precision
AVX2_MIXED, AVX2_SINGLE = 1.38, 1.43  # benchmarks/results/*-limited-to-avx2-*-int8-dynamic.json
MIN_COLUMNS = 32  # narrower products, such as the classifier's, are left as they are


def slow_words(isa: str) -> str | None:
    """What to say of an int8 engine on this CPU, or under a limit to `isa`, where there are no
    instructions for it; None where there are."""
    flags = describe_machine()["flags"]
    if isa != "avx2" and ("avx512_vnni" in flags or "amx_int8" in flags):
        return None
    return (
        "warning: without AVX512-VNNI or AMX int8 may gain little: under AVX2 RoBERTa-base ran at "
        f"{AVX2_MIXED}x the speed of f32 on 32 texts at once, at {AVX2_SINGLE}x on one"
    )


def quantized(weight: np.ndarray, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(values int8 [columns, depth], scales f32 [columns]) with weight ~ values * scales.

    Symmetric: the largest magnitude of each column becomes 127. No scale is smaller than `least`.
    """
    scales = np.maximum(np.abs(weight).max(1) / 127, least)
    safe = np.where(scales > 0, scales, 1)
    return np.rint(weight / safe[:, None]).astype(np.int8), scales.astype(np.float32)
