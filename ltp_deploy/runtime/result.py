"""What an engine answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.runtime.request import Request


@dataclass(frozen=True)
class Result:
    """The answer to one request of B sequences.

    Attributes:
        logits: [B, labels] float32.
        labels: the predicted class names; for a model that gives any number of labels, the list of
            each sequence's, possibly empty; None where the model knows no names.
        truncated: [B] bool, the texts that are longer than what was read of them; None where token
            ids were given.
        windows: [B] the number of windows in which each text was read; None where the engine makes
            none.
        survivors: [B][layer] int32 arrays, the original positions alive after the layer; None
            unless the bundle was built with `--outputs survivors`, or loaded with `survivors=True`.
            Once a sequence's first token is pruned the sequence is finished: its answer is known,
            nothing else of it is computed, and the arrays are empty.
        alive: [B, layers] int32, how many tokens are alive after each layer, 0 of a finished
            sequence; of a text in windows those of all windows. None unless the bundle was loaded
            with `alive=True`, or reports survivors. The last layer's pruning cannot reach the
            answer: where the bundle reports no survivors it is not computed, and the last column
            repeats the one before.
    """

    logits: np.ndarray
    labels: list[str] | list[list[str]] | None = None
    survivors: list[list[np.ndarray]] | None = None
    truncated: np.ndarray | None = None
    windows: np.ndarray | None = None
    alive: np.ndarray | None = None


@dataclass(frozen=True)
class Ran:
    """A batch that was computed.

    Attributes:
        lengths: [B] tokens of its sequences.
        alive: [B, layers] as in a `Result`, None where the engine does not count.
        seconds: that it took.
    """

    lengths: np.ndarray
    alive: np.ndarray | None
    seconds: float


Watcher = Callable[[Ran], None]


def make_result(
    outputs: dict[str, np.ndarray], batch: PackedBatch, config: EncoderConfig, survivors: bool
) -> Result:
    """From an engine's outputs by name, without labels; `survivors` says whether it reports
    them."""
    found = _survivors(outputs, batch, config) if survivors else None
    alive = outputs.get("alive")
    if found is not None:
        alive = np.array([[len(kept) for kept in layers] for layers in found], np.int32)
    return Result(outputs["logits"], survivors=found, alive=alive)


def part(result: Result, first: int, end: int, request: Request, config: EncoderConfig) -> Result:
    """The result of one request, from that of several which were run together.

    Args:
        result: of all their sequences.
        first, end: which of them are the request's.
    """
    head, logits = head_of(config), result.logits[first:end].copy()
    alive = None if result.alive is None else result.alive[first:end].copy()
    if request.windows is not None:
        logits = head.pool(logits, request.windows)
        if alive is not None:
            starts = np.cumsum(request.windows) - request.windows
            alive = np.add.reduceat(alive, starts)
    return Result(
        logits,
        head.labels(logits),
        result.survivors and result.survivors[first:end],
        request.truncated,
        request.windows,
        alive,
    )


def gathered(results: Sequence[Result], rows: Sequence[Sequence[int]]) -> Result:
    """One result, of logits and counts, of batches that were run one after another.

    Args:
        rows: of each result, the numbers that its sequences have together.
    """
    order = np.argsort([i for numbers in rows for i in numbers])
    counts = [result.alive for result in results if result.alive is not None]
    return Result(
        np.concatenate([result.logits for result in results])[order],
        alive=np.concatenate(counts)[order] if counts else None,
    )


def concatenated(results: Sequence[Result]) -> Result:
    """The results of the pieces of one request, see `Request.pieces`."""
    if len(results) == 1:
        return results[0]

    def arrays(name: str) -> np.ndarray | None:
        found = [getattr(result, name) for result in results]
        return None if found[0] is None else np.concatenate(found)

    def lists(name: str) -> list[Any] | None:
        found = [getattr(result, name) for result in results]
        return None if found[0] is None else [item for part in found for item in part]

    return Result(
        np.concatenate([result.logits for result in results]),
        lists("labels"),
        lists("survivors"),
        arrays("truncated"),
        arrays("windows"),
        arrays("alive"),
    )


def _survivors(
    outputs: dict[str, np.ndarray], batch: PackedBatch, config: EncoderConfig
) -> list[list[np.ndarray]]:
    """Follow each layer's kept rows back to positions in the sequences."""
    origin = np.concatenate([np.arange(n, dtype=np.int32) for n in batch.lengths])
    offsets, alive = batch.offsets, np.ones(len(origin), bool)
    layers: list[list[np.ndarray]] = []
    for i in range(config.layers):
        if f"survivors.{i}.kept" in outputs:
            origin = origin[outputs[f"survivors.{i}.kept"]]
            offsets = outputs[f"survivors.{i}.offsets"]
            alive = outputs[f"survivors.{i}.alive"] != 0
        layers.append([origin[a:b][alive[a:b]] for a, b in pairwise(offsets)])
    return [list(per_layer) for per_layer in zip(*layers, strict=True)]
