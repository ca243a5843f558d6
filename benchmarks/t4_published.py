"""What NVIDIA published for dense BERT-base on a T4, and how the cost model meets it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from random_model import BERT_BASE, configuration

from ltp_deploy.checkpoint.families import FAMILIES
from ltp_deploy.compiler.cost import GpuCost, dense_time
from ltp_deploy.compiler.t4 import T4, T4_INT8
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy

# Sequences, tokens of the longest; milliseconds in fp16 and int8. TensorRT 8.2.1, demo/BERT.
TENSORRT = (
    (1, 128, 1.93, 1.33),
    (2, 128, 2.49, 1.75),
    (4, 128, 4.16, 2.74),
    (8, 128, 7.88, 4.42),
    (12, 128, 11.30, 6.12),
    (16, 128, 16.70, 8.78),
    (24, 128, 24.90, 12.53),
    (32, 128, 32.65, 17.59),
    (64, 128, 64.28, 34.31),
    (128, 128, 129.19, 67.05),
    (1, 384, 3.69, 2.43),
    (2, 384, 6.21, 3.81),
    (4, 384, 12.03, 6.97),
    (8, 384, 24.94, 13.73),
    (12, 384, 37.51, 20.66),
    (16, 384, 50.04, 27.08),
    (24, 384, 76.05, 41.36),
    (32, 384, 101.30, 54.06),
    (64, 384, 198.68, 108.24),
    (128, 384, 399.24, 223.92),
)
# Likewise; milliseconds in fp16 padded and unpadded, in int8 padded and unpadded. Unpadded, the
# mean length is half of the longest. FasterTransformer's guide to BERT, TensorFlow op.
FASTER_TRANSFORMER = (
    (1, 32, 1.58, 1.84, 2.06, 1.87),
    (1, 128, 1.96, 1.88, 2.19, 1.88),
    (1, 384, 3.71, 2.99, 2.68, 2.40),
    (8, 32, 2.62, 2.10, 2.61, 2.37),
    (8, 128, 8.37, 4.93, 5.19, 3.07),
    (8, 384, 25.87, 13.47, 14.54, 7.42),
    (32, 32, 8.43, 4.89, 6.00, 3.41),
    (32, 128, 34.13, 17.32, 17.91, 9.53),
    (32, 384, 99.72, 52.75, 55.39, 30.53),
)
# FasterTransformer has more kernels, whose launches were fitted with the constants of `T4`.
LAUNCHES = {"fp16": 7.2e-6, "int8": 15.8e-6}

Rows = Sequence[tuple[float, ...]]
GpuOf = Callable[[str, str], GpuCost]  # by library and precision


@dataclass(frozen=True)
class Table:
    """One column of times.

    Attributes:
        points: tokens of each sequence [B], and seconds.
    """

    library: str
    precision: str
    padding: str
    points: tuple[tuple[np.ndarray, float], ...]

    @property
    def name(self) -> str:
        return f"{self.library} {self.precision}, {self.padding}"

    def errors(self, gpu_of: GpuOf) -> np.ndarray:
        """How much more the model predicts than was published, as a share of it, for each point."""
        gpu, config = gpu_of(self.library, self.precision), bert_base()
        return np.array([dense_time(gpu, config, n) / seconds - 1 for n, seconds in self.points])


def _table(library: str, precision: str, padding: str, rows: Rows, column: int) -> Table:
    tokens = 1.0 if padding == "padded" else 0.5
    points = [(np.full(int(row[0]), tokens * row[1]), 1e-3 * row[column]) for row in rows]
    return Table(library, precision, padding, tuple(points))


TABLES = (
    _table("TensorRT", "fp16", "padded", TENSORRT, 2),
    _table("TensorRT", "int8", "padded", TENSORRT, 3),
    _table("FasterTransformer", "fp16", "padded", FASTER_TRANSFORMER, 2),
    _table("FasterTransformer", "fp16", "unpadded", FASTER_TRANSFORMER, 3),
    _table("FasterTransformer", "int8", "padded", FASTER_TRANSFORMER, 4),
    _table("FasterTransformer", "int8", "unpadded", FASTER_TRANSFORMER, 5),
)


@cache
def bert_base() -> EncoderConfig:
    """BERT-base without pruning."""
    policy = PrunePolicy((LayerRule(Mode.NONE),) * BERT_BASE.layers)
    shape = FAMILIES["roberta"].shape(configuration(BERT_BASE, []).to_dict())
    return EncoderConfig(
        family="roberta", head="classification", num_labels=2, labels=(), policy=policy, **shape
    )


def modelled(library: str, precision: str) -> GpuCost:
    """A T4 under TensorRT, or under FasterTransformer."""
    gpu = {"fp16": T4, "int8": T4_INT8}[precision]
    return gpu if library == "TensorRT" else replace(gpu, launch=LAUNCHES[precision])


def rms(errors: np.ndarray) -> float:
    """The root of the mean square."""
    return float(np.sqrt((errors**2).mean()))
