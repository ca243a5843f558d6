"""Predicted times on a GPU: what decides where removing rows pays for the wait that it costs.

A model of one layer in seconds, made of matrix products (rounded up to whole tiles on whole
waves of multiprocessors, or bound by memory), attention, element-wise passes, launches, and host
waits. What is counted comes out beside the seconds. It ranks plans; it does not replace a
measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile

# (rows, columns) of an output tile, and the share of a multiprocessor's sustained rate that it
# reaches: small tiles reuse each loaded value less often.
_TILES = ((128, 128, 1.0), (128, 64, 0.9), (64, 64, 0.75), (64, 32, 0.5), (32, 32, 0.35))


@dataclass(frozen=True)
class Work:
    """What is counted of kernels that run one after another, and how long they take.

    Attributes:
        seconds: predicted, launches and waits included.
        flops: of matrix products and attention; a multiply-add is two. Not rounded up to tiles.
        moved: bytes between memory and processors, for products and element-wise kernels.
            Attention's are not known apart: they are part of its sustained rate.
        launches: kernels.
        syncs: waits of the host for a row count.
    """

    seconds: float = 0.0
    flops: float = 0.0
    moved: float = 0.0
    launches: int = 0
    syncs: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.seconds + other.seconds,
            self.flops + other.flops,
            self.moved + other.moved,
            self.launches + other.launches,
            self.syncs + other.syncs,
        )


@dataclass(frozen=True)
class GpuCost:
    """One GPU's constants, in SI units.

    Attributes:
        flops: sustained fp16 tensor-core rate of large products (below the peak: power limits).
        bandwidth: sustained memory bandwidth.
        processors: streaming multiprocessors.
        attention: sustained rate of the attention kernel.
        launch: time from one small kernel to the next.
        sync: from where a row count is known to the first kernel that the host launches with it.
        tensorrt: whether TensorRT runs the engine. It fuses activations with the products before
            them, gathers the residual's rows in a kernel of their own, and waits for the attention
            plugin as a whole. PyTorch with our operators has it the other way round.
    """

    name: str
    flops: float
    bandwidth: float
    processors: int
    attention: float
    launch: float
    sync: float
    tensorrt: bool = True

    def kernel(self, busy: float = 0.0, flops: float = 0.0, moved: float = 0.0) -> Work:
        """One kernel: `busy` seconds beside its launch, `moved` bytes."""
        return Work(self.launch + busy, flops, moved, launches=1)

    def wait(self, meanwhile: float = 0.0) -> Work:
        """The host waits for a row count; there are `meanwhile` seconds of work that need none."""
        return Work(max(0.0, self.sync - meanwhile), syncs=1)

    def product(self, rows: float, columns: int, depth: int) -> Work:
        """[rows, depth] x [depth, columns] in fp16; each value crosses memory once."""
        moved = 2 * (rows * depth + depth * columns + rows * columns)
        waves = min(
            ceil(ceil(rows / m) * ceil(columns / n) / self.processors) * m * n / share
            for m, n, share in _TILES
        )
        busy = max(moved / self.bandwidth, 2 * depth * waves * self.processors / self.flops)
        return self.kernel(busy, 2 * rows * columns * depth, moved)

    def passes(self, elements: float, passes: int) -> Work:
        """A kernel that reads or writes `elements` fp16 values `passes` times in all."""
        moved = 2 * elements * passes
        return self.kernel(moved / self.bandwidth, moved=moved)


# T4: 320 GB/s and 65 TFLOP/s are on the data sheet; what is sustained is fitted to NVIDIA's
# published BERT-base figures (TensorRT 8.2, fp16), which the model then meets within 9 %: 1.96 ms
# at batch 1 of 128 tokens, 8.85 at 8, 36.66 at 32, 115.03 at 32 of 384. sync: 0.02-0.03 ms are
# reported by users of data-dependent shapes.
T4 = GpuCost(
    "T4",
    flops=25e12,
    bandwidth=260e9,
    processors=40,
    attention=10e12,
    launch=2e-6,
    sync=30e-6,
)


# H200: 989 TFLOP/s and 4.8 TB/s are on the data sheet, of which two thirds and five sixths are
# taken as sustained; the rest is assumed. It stands in where no GPU can be measured.
H200 = GpuCost(
    "H200",
    flops=660e12,
    bandwidth=4e12,
    processors=132,
    attention=100e12,
    launch=2e-6,
    sync=20e-6,
    tensorrt=False,
)


def layer_work(
    gpu: GpuCost,
    config: EncoderConfig,
    entering: np.ndarray,
    leaving: np.ndarray,
    carry: Carry,
    scores: bool,
    attended: np.ndarray | None = None,
) -> Work:
    """The work of one layer.

    Args:
        entering, leaving: [B]; the rows that each sequence of a request holds.
        attended: [B]; those of `entering` that attention looks at, None for all.
        scores: whether the layer scores its tokens.
    """
    d, m = config.hidden_size, config.intermediate_size
    rows, out = float(entering.sum()), float(leaving.sum())
    looked_at = (entering if attended is None else attended).astype(float)
    pairs = float(looked_at.sum() if carry is Carry.FIRST else (looked_at**2).sum())
    sweeps = 3 if scores else 2  # queries times keys, once more for column scores, times values
    attention = 2 * sweeps * pairs * d
    work = gpu.product(rows, 3 * d, d) + gpu.kernel(attention / gpu.attention, attention)
    compacts = carry in (Carry.SURVIVORS, Carry.BOUNDED)
    if scores:
        work += gpu.kernel()  # clears them
    if scores or compacts:
        work += gpu.kernel()  # decides
    if compacts:
        moving = gpu.passes(out * d, 2)
        work += moving
        if carry is Carry.SURVIVORS:
            work += gpu.wait() if gpu.tensorrt else gpu.wait(moving.seconds - gpu.launch)
        if gpu.tensorrt:
            work += gpu.passes(out * d, 2)  # gathers the residual
    work += gpu.product(out, d, d) + gpu.product(out, m, d) + gpu.product(out, d, m)
    work += gpu.passes(out * d, 4) + gpu.passes(out * d, 4)  # residual and LayerNorm, twice
    return work if gpu.tensorrt else work + gpu.passes(out * m, 2)


def layer_time(
    gpu: GpuCost,
    config: EncoderConfig,
    entering: np.ndarray,
    leaving: np.ndarray,
    carry: Carry,
    scores: bool,
    attended: np.ndarray | None = None,
) -> float:
    """Seconds of one layer, see `layer_work`."""
    return layer_work(gpu, config, entering, leaving, carry, scores, attended).seconds


def engine_work(
    gpu: GpuCost, config: EncoderConfig, request: SurvivorProfile, carries: tuple[Carry, ...]
) -> list[Work]:
    """The work of each layer on a request whose survivors are known."""
    rows, attended = request.carried(carries), request.attended(carries)
    return [
        layer_work(
            gpu,
            config,
            rows[:, i],
            rows[:, i + 1],
            carry,
            rule.prunes and carry is not Carry.FIRST,
            attended[:, i],
        )
        for i, (rule, carry) in enumerate(zip(config.policy.layers, carries, strict=True))
    ]


def dense_work(gpu: GpuCost, config: EncoderConfig, lengths: np.ndarray) -> Work:
    """The work of a whole dense encoder on sequences of these lengths [B], without padding."""
    layer = layer_work(gpu, config, lengths, lengths, Carry.ALL, False)
    return sum([layer] * config.layers, Work())


def dense_time(gpu: GpuCost, config: EncoderConfig, lengths: np.ndarray) -> float:
    """Seconds of a whole dense encoder, see `dense_work`."""
    return dense_work(gpu, config, lengths).seconds
