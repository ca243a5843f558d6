"""Predicted times on a GPU, by which compaction is placed where it saves more than it costs.

A model of one layer in seconds, made of matrix products (rounded up to whole tiles on whole waves
of multiprocessors, or bound by memory), attention, element-wise kernels, launches, and host syncs.
It also says what it counted. It ranks plans; it does not replace a measurement.
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
        seconds: predicted, launches and host syncs included.
        flops: of matrix products and attention; a multiply-add is two. Not rounded up to tiles.
        moved: bytes between memory and processors, for products and element-wise kernels. Those of
            attention are not counted: they are part of its sustained rate.
        launches: number of kernels.
        syncs: number of host syncs, at which the host learns how many rows are left.
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
    """One GPU's constants.

    Attributes:
        name: of the GPU.
        flops: FLOP/s that large fp16 products on tensor cores sustain (power limits keep it below
            the peak).
        bandwidth: bytes per second that memory sustains.
        processors: number of streaming multiprocessors.
        attention: FLOP/s that the attention kernel sustains.
        launch: seconds from one small kernel to the next.
        sync: seconds of a host sync, from where the GPU knows a row count to the first kernel that
            the host launches with it.
        tensorrt: whether TensorRT runs the engine. It fuses activations with the products before
            them, gathers the residual's rows in a separate kernel, and its host sync follows the
            whole attention plugin. In PyTorch activations are separate kernels, the residual is
            gathered by the norm, and the host sync overlaps with moving the rows.
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
        """One kernel that takes `busy` seconds besides its launch and moves `moved` bytes."""
        return Work(self.launch + busy, flops, moved, launches=1)

    def host_sync(self, meanwhile: float = 0.0) -> Work:
        """A host sync, during which the GPU has `meanwhile` seconds of other work."""
        return Work(max(0.0, self.sync - meanwhile), syncs=1)

    def product(self, rows: float, columns: int, depth: int) -> Work:
        """The product [rows, depth] x [depth, columns] in fp16; each value is moved once."""
        moved = 2 * (rows * depth + depth * columns + rows * columns)
        waves = min(
            ceil(ceil(rows / m) * ceil(columns / n) / self.processors) * m * n / share
            for m, n, share in _TILES
        )
        busy = max(moved / self.bandwidth, 2 * depth * waves * self.processors / self.flops)
        return self.kernel(busy, 2 * rows * columns * depth, moved)

    def passes(self, elements: float, passes: int) -> Work:
        """An element-wise kernel whose reads and writes come to `passes` times `elements` values in
        fp16."""
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
    context: int | None = None,
) -> Work:
    """The work of one layer.

    Args:
        gpu, config: the machine and the model's shape.
        entering, leaving: [B]; the rows of each sequence of a request before and after attention.
        carry: which rows the layer hands on.
        scores: whether the layer scores its tokens.
        attended: [B]; those of `entering` that attention computes with, None for all.
        context: columns of the queries, and of keys, values and contexts; None for an engine's.
    """
    d, m = config.hidden_size, config.intermediate_size
    c = config.context_size if context is None else context
    rows, out = float(entering.sum()), float(leaving.sum())
    looked_at = (entering if attended is None else attended).astype(float)
    pairs = float(looked_at.sum() if carry is Carry.FIRST else (looked_at**2).sum())
    sweeps = 3 if scores else 2  # queries times keys, once more for column scores, times values
    attention = 2 * sweeps * pairs * c
    work = gpu.product(rows, 3 * c, d) + gpu.kernel(attention / gpu.attention, attention)
    compacts = carry in (Carry.SURVIVORS, Carry.BOUNDED)
    if scores:
        work += gpu.kernel()  # clears the scores
    if scores or compacts:
        work += gpu.kernel()  # decides which tokens are kept
    if compacts:
        moving = gpu.passes(out * c, 2)
        work += moving
        if carry is Carry.SURVIVORS:
            work += gpu.host_sync() if gpu.tensorrt else gpu.host_sync(moving.seconds - gpu.launch)
        if gpu.tensorrt:
            work += gpu.passes(out * d, 2)  # gathers the residual
    work += gpu.product(out, d, c) + gpu.product(out, m, d) + gpu.product(out, d, m)
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
    """The work of each layer on a request whose survivors are known, given each layer's carry."""
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
    """The work of a whole dense encoder on sequences of these lengths [B], without padding of
    sequences or heads."""
    context = config.hidden_size
    layer = layer_work(gpu, config, lengths, lengths, Carry.ALL, False, context=context)
    return sum([layer] * config.layers, Work())


def dense_time(gpu: GpuCost, config: EncoderConfig, lengths: np.ndarray) -> float:
    """Seconds of a whole dense encoder, see `dense_work`."""
    return dense_work(gpu, config, lengths).seconds
