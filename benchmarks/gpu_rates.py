"""The rates of a large product and a large copy, after a rest and after a second of load."""

from __future__ import annotations

import torch
from gpu_run import Budget, Row
from gpu_sensors import Sensors
from gpu_timing import Pace, Recorded

CALLS = 10


def time_rates(
    device: str, product: int, copy: int, pace: Pace, sensors: Sensors, budget: Budget
) -> list[Row]:
    """Time a product of square matrices and a copy of one, in fp16.

    Args:
        product, copy: numbers of rows, and of columns.
    """

    def square(size: int) -> torch.Tensor:
        return torch.randn(size, size, device=device, dtype=torch.float16)

    x, y = square(product), square(product)
    source, target = square(copy), square(copy)
    measured = {
        f"product of {product} x {product}, TFLOP/s": (
            lambda: torch.matmul(x, x, out=y),
            2e-12 * product**3,
        ),
        f"copy of {copy} x {copy}, GB/s": (lambda: target.copy_(source), 2e-9 * source.nbytes),
    }
    found = []
    for name, (call, work) in measured.items():
        if budget.allows(name, pace.seconds):
            timed = Recorded([call] * CALLS, device).timed(pace)
            rates = {"cold": work / timed.cold, "sustained": work / timed.sustained}
            found.append(({"rate": name, **rates}, timed))
    return sensors.described(found)
