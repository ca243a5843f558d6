"""What int8 means in every backend."""

from __future__ import annotations

import numpy as np

MIN_COLUMNS = 32  # narrower products, such as the classifier's, are left as they are


def quantized(weight: np.ndarray, least: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """(values int8 [columns, depth], scales f32 [columns]) with weight ~ values * scales.

    Symmetric: the largest magnitude of each column becomes 127. No scale is smaller than `least`.
    """
    scales = np.maximum(np.abs(weight).max(1) / 127, least)
    safe = np.where(scales > 0, scales, 1)
    return np.rint(weight / safe[:, None]).astype(np.int8), scales.astype(np.float32)
