"""Requests in the shapes that users have them, turned into one packed batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltp_deploy.bundle.limits import Limits
from ltp_deploy.errors import InputError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.positions import position_ids

_INT32 = np.iinfo(np.int32)
_BOOL = {bool, np.bool_}  # which numpy would take for 0 and 1 among integers


@dataclass(frozen=True)
class PackedBatch:
    """B sequences one after another, with no padding.

    input_ids, token_type_ids: [T] int32. offsets: [B+1] int32, where sequences begin and end.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """[B] tokens in each sequence; int64, as offsets that fall may do so by more than int32."""
        return np.diff(self.offsets.astype(np.int64))

    @property
    def sequences(self) -> int:
        return len(self.offsets) - 1

    def position_ids(self, config: EncoderConfig) -> np.ndarray:
        """[T] int32, see `ltp_deploy.model.positions`."""
        found = position_ids(
            self.input_ids, self.offsets, config, np, lambda v, n, _: np.repeat(v, n)
        )
        return found.astype(np.int32)

    def feeds(self, config: EncoderConfig) -> dict[str, np.ndarray]:
        """All inputs that an engine may ask for, by name."""
        return {
            "input_ids": self.input_ids,
            "position_ids": self.position_ids(config),
            "token_type_ids": self.token_type_ids,
            "offsets": self.offsets,
        }

    def select(self, sequences: Sequence[int]) -> PackedBatch:
        """The batch of these sequences, in this order."""
        rows = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in sequences]
        picked = np.concatenate(rows) if rows else np.empty(0, np.int64)
        offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int32)
        return PackedBatch(self.input_ids[picked], self.token_type_ids[picked], offsets)

    def padded(self, pad_token_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(input_ids, token_type_ids, mask), each [B, longest]; mask is bool."""
        mask = np.arange(self.lengths.max())[None] < self.lengths[:, None]
        ids = np.full(mask.shape, pad_token_id, np.int64)
        types = np.zeros(mask.shape, np.int64)
        ids[mask], types[mask] = self.input_ids, self.token_type_ids
        return ids, types, mask


def join(batches: Sequence[PackedBatch]) -> PackedBatch:
    """The sequences of several batches, one batch after another."""
    starts = np.cumsum([0, *(len(batch.input_ids) for batch in batches)])
    offsets = [b.offsets[1:] + start for b, start in zip(batches, starts[:-1], strict=True)]
    return PackedBatch(
        np.concatenate([batch.input_ids for batch in batches]),
        np.concatenate([batch.token_type_ids for batch in batches]),
        np.concatenate([[0], *offsets]).astype(np.int32),
    )


def one_token() -> dict[str, np.ndarray]:
    """The inputs of the smallest request: engines run it when loaded, so that what they prepare at
    the first user need not wait for it."""
    ids = dict.fromkeys(("input_ids", "position_ids", "token_type_ids"), np.zeros(1, np.int32))
    return {**ids, "offsets": np.array([0, 1], np.int32)}


def pack(input_ids: Any, token_type_ids: Any = None, attention_mask: Any = None) -> PackedBatch:
    """From ragged lists of ids, or from padded arrays with an attention mask.

    Args:
        input_ids: B sequences of token ids, or a [B, n] integer array.
        token_type_ids: the same shape, or None for all zero.
        attention_mask: [B, n] of 0/1 with the real tokens first, or None: all tokens are real.
    """
    rows = _rows(input_ids, "input_ids")
    types = [np.zeros(len(r), np.int32) for r in rows]
    if token_type_ids is not None:
        types = _rows(token_type_ids, "token_type_ids")
        _same_lengths(rows, types, "token_type_ids")
    if attention_mask is not None:
        masks = _rows(attention_mask, "attention_mask", kinds="iub")
        _same_lengths(rows, masks, "attention_mask")
        for i, mask in enumerate(masks):
            real = int(np.count_nonzero(mask))
            if not mask[:real].all():
                raise InputError(
                    f"attention_mask of sequence {i} has real tokens after padding; "
                    "pad on the right"
                )
            rows[i], types[i] = rows[i][:real], types[i][:real]
    ends = np.cumsum([len(r) for r in rows])
    if len(rows) and ends[-1] > _INT32.max:
        raise InputError(f"the batch has {ends[-1]} tokens, more than 32 bits can count; split it")
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return PackedBatch(_joined(rows), _joined(types), offsets)


def packed(ids: Any, offsets: Any, token_type_ids: Any = None) -> PackedBatch:
    """From arrays that are packed already: ids [T] and offsets [B+1]."""
    ids = _vector(ids, "ids")
    types = (
        np.zeros_like(ids) if token_type_ids is None else _vector(token_type_ids, "token_type_ids")
    )
    if len(types) != len(ids):
        raise InputError(f"token_type_ids has {len(types)} entries, ids has {len(ids)}")
    return PackedBatch(ids, types, _vector(offsets, "offsets"))


def check(batch: PackedBatch, config: EncoderConfig, limits: Limits) -> None:
    """Refuse what the engine must not see.

    Raises:
        InputError: what was wrong, what was found, what to do.
    """
    offsets, total = batch.offsets, len(batch.input_ids)
    if len(offsets) < 2:
        raise InputError("the batch is empty; give at least one sequence")
    if offsets[0] != 0:
        raise InputError(f"offsets must start at 0, found {offsets[0]}")
    lengths = batch.lengths
    if (lengths < 0).any():
        i = int(np.argmax(lengths < 0))
        raise InputError(f"offsets must not decrease, but go from {offsets[i]} to {offsets[i + 1]}")
    if offsets[-1] != total:
        raise InputError(
            f"offsets must end at the number of ids, {total}, but end at {offsets[-1]}"
        )
    if (lengths == 0).any():
        raise InputError(f"sequence {int(np.argmin(lengths))} is empty; leave it out")
    limits.check(lengths)
    _check_range(batch, batch.input_ids, "input_ids", config.vocab_size)
    _check_range(batch, batch.token_type_ids, "token_type_ids", max(config.type_vocab_size, 1))


def _check_range(batch: PackedBatch, values: np.ndarray, name: str, size: int) -> None:
    outside = (values < 0) | (values >= size)
    if outside.any():
        at = int(np.argmax(outside))
        sequence = int(np.searchsorted(batch.offsets, at, "right")) - 1
        raise InputError(
            f"{name} of sequence {sequence} holds {values[at]}, "
            f"allowed are 0..{size - 1}; was another tokenizer used?"
        )


def _rows(value: Any, name: str, kinds: str = "iu") -> list[np.ndarray]:
    """A list of int32 vectors from nested lists or a 2-D array."""
    if hasattr(value, "shape"):
        if len(value.shape) != 2:
            raise InputError(
                f"{name} must be a list of sequences or a [B, n] array, found an array of shape "
                f"{tuple(value.shape)}; packed ids go in as ids=..., offsets=..."
            )
        return list(_integers(value, name, kinds))
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise InputError(f"{name} must be a list of sequences, found {type(value).__name__}")
    rows = [_integers(row, f"{name}[{i}]", kinds) for i, row in enumerate(value)]
    for i, row in enumerate(rows):
        if row.ndim != 1:
            raise InputError(f"{name}[{i}] must be a flat list of integers, found {row.ndim}-D")
    return rows


def _vector(value: Any, name: str) -> np.ndarray:
    array = _integers(value, name)
    if array.ndim != 1:
        raise InputError(f"{name} must be one-dimensional, found shape {array.shape}")
    return array


def _integers(value: Any, name: str, kinds: str = "iu") -> np.ndarray:
    """Any integer array, as int32; `kinds` are the numpy dtype kinds allowed."""
    if (
        "b" not in kinds
        and isinstance(value, list | tuple)
        and not _BOOL.isdisjoint(map(type, value))
    ):
        raise InputError(f"{name} must hold integers, found bool among them")
    try:
        array = np.asarray(value)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{name} is not a sequence of integers: {error}") from None
    if array.size and array.dtype.kind not in kinds:
        raise InputError(f"{name} must hold integers, found {array.dtype}")
    if array.size and array.dtype.itemsize > 4:
        low, high = array.min(), array.max()
        if low < _INT32.min or high > _INT32.max:
            raise InputError(f"{name} holds values from {low} to {high}: no 32-bit integers")
    return np.ascontiguousarray(array, np.int32) if array.ndim else array


def _joined(rows: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(rows) if rows else np.empty(0, np.int32)


def _same_lengths(rows: list[np.ndarray], others: list[np.ndarray], name: str) -> None:
    if [len(r) for r in rows] != [len(r) for r in others]:
        raise InputError(f"{name} must have the same shape as input_ids")
