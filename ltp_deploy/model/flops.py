"""Counting FLOPs: the LTP authors' way, for comparison with the paper, and what an engine computes.

All counts are multiply-adds, as in the LTP paper (arXiv 2107.00910) and its released code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry


@dataclass(frozen=True)
class LayerFlops:
    """Mean multiply-adds per sequence of one layer, by part: the query, key and value projections,
    attention, its output projection, and the feed-forward network."""

    qkv: float
    attention: float
    projection: float
    ffn: float

    @property
    def total(self) -> float:
        return self.qkv + self.attention + self.projection + self.ffn


def authors_flops(config: EncoderConfig, alive: np.ndarray) -> np.ndarray:
    """The released code's count for each layer.

    Args:
        config: the model's shape.
        alive: [N, L+1]; tokens alive before each layer, then after the last one.

    Returns:
        [L] float64, summed over sequences: 2 d A_l^2 + 4 d^2 A_l + 8 d^2 A_{l+1}.
    """
    d = float(config.hidden_size)
    entering, leaving = alive[:, :-1].astype(float), alive[:, 1:].astype(float)
    counts = 2 * d * entering**2 + 4 * d * d * entering + 8 * d * d * leaving
    total: np.ndarray = counts.sum(0)
    return total


def authors_ratio(config: EncoderConfig, alive: np.ndarray) -> float:
    """The FLOPs ratio: the dense model's multiply-adds over the pruned one's, as the authors count.

    Args:
        config: the model's shape.
        alive: [N, L+1], as for `authors_flops`.
    """
    dense = np.repeat(alive[:, :1], alive.shape[1], axis=1)
    return float(authors_flops(config, dense).sum() / authors_flops(config, alive).sum())


def engine_flops(
    config: EncoderConfig, rows: np.ndarray, carries: tuple[Carry, ...]
) -> list[LayerFlops]:
    """What a packed engine computes in each layer, the padding of heads included.

    Args:
        config: the model's shape.
        rows: [N, L+1]; rows held before each layer and after the last one, see
            `SurvivorProfile.carried`.
        carries: which rows each layer hands on.
    """
    return _layers(config, config.context_size, rows, carries)


def _layers(
    config: EncoderConfig, context: int, rows: np.ndarray, carries: tuple[Carry, ...]
) -> list[LayerFlops]:
    """See `engine_flops`; queries, keys, values and contexts have `context` columns each."""
    d, m = config.hidden_size, config.intermediate_size
    layers = []
    steps = rows.T.astype(float)
    for entering, leaving, carry in zip(steps[:-1], steps[1:], carries, strict=True):
        # Scores need all query rows; when only the first row is carried, only it is a query.
        queries = leaving if carry is Carry.FIRST else entering
        layers.append(
            LayerFlops(
                qkv=float((3 * d * context * entering).mean()),
                attention=float((2 * context * entering * queries).mean()),
                projection=float((d * context * leaving).mean()),
                ffn=float((2 * d * m * leaving).mean()),
            )
        )
    return layers


def padded_flops(config: EncoderConfig, sequences: int, length: int) -> float:
    """Multiply-adds of the dense model on `sequences` sequences padded to `length`."""
    rows = np.full((1, config.layers + 1), length)
    layers = _layers(config, config.hidden_size, rows, (Carry.ALL,) * config.layers)
    return sequences * sum(layer.total for layer in layers)
