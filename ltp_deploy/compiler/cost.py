"""Predicted times on a GPU, by which compaction is placed where it saves more than it costs.

A model of one layer in seconds, made of matrix products (bound by arithmetic or by memory),
attention, element-wise kernels, launches, and host syncs. It also says what it counted. It ranks
plans; it does not replace a measurement. `benchmarks/t4_fit.py` fits a T4's constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.survivors import SurvivorProfile

ONE_SWEEP = 128  # keys up to which the attention kernel multiplies them once though it scores


def _unchanged(rows: float) -> float:
    return rows


@dataclass(frozen=True)
class Work:
    """What is counted of kernels that run one after another, and how long they take.

    Attributes:
        seconds: predicted, launches and host syncs included.
        flops: of matrix products and attention; a multiply-add is two.
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
    """One GPU's constants, for products of one precision.

    Attributes:
        name: of the GPU.
        flops: FLOP/s that large products on tensor cores sustain (power limits keep it below the
            peak).
        bandwidth: bytes per second that memory sustains.
        attention: FLOP/s that the attention kernel sustains.
        launch: seconds from one small kernel to the next.
        sync: seconds of a host sync, from where the GPU knows a row count to the first kernel that
            the host launches with it.
        value_bytes: of a value that a product reads or writes: 2 in fp16, 1 in int8.
        key: seconds that one block of the attention kernel takes for a key. A short request has
            too few blocks to sustain `attention`, and takes this for the keys of its longest
            sequence.
        dense_attention: FLOP/s of the attention in a dense engine, None where it is the same
            kernel.
        request: seconds that the runtime takes, once a request, to change to its shapes.
        bucket: the rows that a number of rows is run as.
        tensorrt: whether TensorRT runs the engine. It fuses activations with the products before
            them, gathers the residual's rows in a separate kernel, and its host sync follows the
            whole attention plugin. In PyTorch activations are separate kernels, the residual is
            gathered by the norm, and the host sync overlaps with moving the rows.
    """

    name: str
    flops: float
    bandwidth: float
    attention: float
    launch: float
    sync: float
    value_bytes: int = 2
    key: float = 0.0
    dense_attention: float | None = None
    request: float = 0.0
    bucket: Callable[[float], float] = _unchanged
    tensorrt: bool = True

    def kernel(self, busy: float = 0.0, flops: float = 0.0, moved: float = 0.0) -> Work:
        """One kernel that takes `busy` seconds besides its launch and moves `moved` bytes."""
        return Work(self.launch + busy, flops, moved, launches=1)

    def host_sync(self, meanwhile: float = 0.0) -> Work:
        """A host sync, during which the GPU has `meanwhile` seconds of other work."""
        return Work(max(0.0, self.sync - meanwhile), syncs=1)

    def product(self, rows: float, columns: int, depth: int) -> Work:
        """The product [rows, depth] x [depth, columns]; each value is moved once."""
        moved = self.value_bytes * (rows * depth + depth * columns + rows * columns)
        flops = 2 * rows * columns * depth
        return self.kernel(max(moved / self.bandwidth, flops / self.flops), flops, moved)

    def passes(self, elements: float, passes: int) -> Work:
        """An element-wise kernel whose reads and writes come to `passes` times `elements` values in
        fp16."""
        moved = 2 * elements * passes
        return self.kernel(moved / self.bandwidth, moved=moved)


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
    rows, out = gpu.bucket(float(entering.sum())), gpu.bucket(float(leaving.sum()))
    looked_at = (entering if attended is None else attended).astype(float)
    pairs = looked_at if carry is Carry.FIRST else looked_at**2
    # Queries times keys, once more for the column scores of longer sequences, times values.
    sweeps = np.where(scores & (entering > ONE_SWEEP), 3, 2)
    attention = 2 * float((sweeps * pairs).sum()) * c
    longest = float(looked_at.max(initial=0))
    attending = max(attention / gpu.attention, longest * gpu.key)
    work = gpu.product(rows, 3 * c, d) + gpu.kernel(attending, attention)
    compacts = carry in (Carry.SURVIVORS, Carry.BOUNDED)
    if scores:
        work += gpu.kernel()  # clears the scores; attention decides which tokens are kept
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
    sequences or heads, with its own attention and at shapes that stay."""
    if gpu.dense_attention is not None:
        gpu = replace(gpu, attention=gpu.dense_attention, key=0.0)
    context = config.hidden_size
    layer = layer_work(gpu, config, lengths, lengths, Carry.ALL, False, context=context)
    return sum([layer] * config.layers, Work())


def dense_time(gpu: GpuCost, config: EncoderConfig, lengths: np.ndarray) -> float:
    """Seconds of a whole dense encoder, see `dense_work`."""
    return dense_work(gpu, config, lengths).seconds
