"""The four matrix products of a layer of BERT-base, from few rows to many, against the cost
model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from gpu_run import Budget, Row
from gpu_timing import Pace, Recorded

from ltp_deploy.compiler.cost import GpuCost

LEAST_CALLS = 20
CACHES = 4  # so many times the L2 cache are the weights of a graph


@dataclass(frozen=True)
class Sweep:
    """(columns, depth) of each product, the numbers of rows, and the rest and load before each."""

    products: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
    pace: Pace


BERT_BASE = ((2304, 768), (768, 768), (3072, 768), (768, 3072))
ROWS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def sweep(device: str, plan: Sweep, gpu: GpuCost, budget: Budget) -> list[Row]:
    """Time each product as engines compute it, in fp16 with a bias.

    A graph multiplies by one weight matrix after another, of which there are enough that each comes
    from memory and not from the L2 cache; the input stays the same. Beside it stand the model's
    floor, a launch and the bytes, and its time, in which arithmetic may take longer than bytes.
    """
    found = []
    for columns, depth in plan.products:
        weights = _weights(device, columns, depth)
        bias = torch.randn(columns, device=device, dtype=torch.float16)
        for rows in plan.rows:
            name = f"{rows} x {depth} x {columns}"
            if not budget.allows(name, plan.pace.seconds):
                continue
            x = torch.randn(rows, depth, device=device, dtype=torch.float16)
            linear = torch.nn.functional.linear
            calls = [partial(linear, x, weight, bias) for weight in weights]
            timed = Recorded(calls, device).timed(plan.pace)
            work = gpu.product(rows, columns, depth)
            row: Row = {"rows": rows, "depth": depth, "columns": columns, "weights": len(weights)}
            for how, seconds in (("cold", timed.cold), ("sustained", timed.sustained)):
                row[f"{how}_us"] = 1e6 * seconds
                row[f"{how}_tflops"] = 1e-12 * work.flops / seconds
                row[f"{how}_gb_per_s"] = 1e-9 * work.moved / seconds
            row["floor_us"] = 1e6 * (gpu.launch + work.moved / gpu.bandwidth)
            row["model_us"] = 1e6 * work.seconds
            row["model_error"] = work.seconds / timed.cold - 1
            found.append(row)
    return found


def _weights(device: str, columns: int, depth: int) -> list[torch.Tensor]:
    """Enough matrices [columns, depth] that no cache holds them."""
    count = 2
    if device == "cuda":
        cache = torch.cuda.get_device_properties().L2_cache_size
        count = max(LEAST_CALLS, -(-CACHES * cache // (2 * columns * depth)))
    return list(torch.randn(count, columns, depth, device=device, dtype=torch.float16))
