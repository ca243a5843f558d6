"""What an engine answers has the form that its bundle promises, whatever the engine is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.errors import BundleError


def without_padding(answers: Mapping[str, np.ndarray], sequences: int) -> dict[str, np.ndarray]:
    """An engine's outputs for a request of `sequences`, without padding at their ends, which they
    have where the request had it, and where layers hand on as many rows as came in.

    Args:
        answers: `logits` [at least B, labels], and of each layer whose survivors are reported its
            `offsets` [at least B+1] and others [at least as many rows as the offsets say].
    """
    return {name: _trimmed(name, answers, sequences) for name in answers}


def _trimmed(name: str, answers: Mapping[str, np.ndarray], sequences: int) -> np.ndarray:
    if name == "logits":
        return answers[name][:sequences]
    layer, _, part = name.rpartition(".")
    offsets = answers[f"{layer}.offsets"][: sequences + 1]
    return offsets if part == "offsets" else answers[name][: offsets[-1]]


def check_answer(found: dict[str, np.ndarray], offsets: np.ndarray, engine: Compiled) -> None:
    """Check what came out of an engine.

    Args:
        found: its outputs by name.
        offsets: [B+1] of the request.

    Raises:
        BundleError: an output is missing, or of another shape or type.
    """
    for name in engine.outputs:
        if name not in found:
            raise BundleError(f"the engine has no output `{name}`; rebuild the bundle")
    sequences = len(offsets) - 1
    _check(found, "logits", (sequences, engine.model.num_labels), np.float32)
    if "alive" in found:
        _check(found, "alive", (sequences, engine.model.layers), np.integer)
    rows = int(offsets[-1])
    for layer in range(engine.model.layers):
        if f"survivors.{layer}.kept" in found:
            rows = _check_survivors(found, f"survivors.{layer}", sequences, rows)


def _check_survivors(found: dict[str, np.ndarray], layer: str, sequences: int, rows: int) -> int:
    """Of a layer that `rows` rows enter; returns how many leave it."""
    kept = found[f"{layer}.kept"]
    _check(found, f"{layer}.kept", (kept.size,), np.integer)
    _check(found, f"{layer}.alive", (kept.size,), np.integer)
    _check(found, f"{layer}.offsets", (sequences + 1,), np.integer)
    ends = found[f"{layer}.offsets"]
    in_order = ends[0] == 0 and ends[-1] == kept.size and bool((ends[1:] >= ends[:-1]).all())
    if not in_order or (kept.size and not 0 <= kept.min() <= kept.max() < rows):
        raise BundleError(
            f"the engine's `{layer}` are no rows of the {rows} that enter the layer; rebuild the "
            "bundle"
        )
    return int(kept.size)


def _check(found: dict[str, np.ndarray], name: str, shape: tuple[int, ...], kind: Any) -> None:
    value = found.get(name)
    if value is None or value.shape != shape or not np.issubdtype(value.dtype, kind):
        form = "nothing" if value is None else f"{value.dtype} {list(value.shape)}"
        raise BundleError(
            f"the engine's `{name}` must be {kind.__name__} {list(shape)}, found {form}; rebuild "
            "the bundle"
        )
