"""Position ids of packed sequences, for numpy arrays and PyTorch tensors alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ltp_deploy.model.config import EncoderConfig

Array = TypeVar("Array", bound=Any)


def position_ids(
    input_ids: Array,
    offsets: Array,
    config: EncoderConfig,
    library: Any,
    repeat: Callable[[Array, Array, int], Array],
) -> Array:
    """Positions counted from `config.position_start` within each sequence.

    Where `config.padding_skips`, as in RoBERTa, padding tokens are not counted and get
    `position_start - 1`.

    Args:
        input_ids: [T] integers, all sequences one after another.
        offsets: [B+1] integers, where each begins and ends; none is empty.
        library: numpy or torch, whichever the arrays are of.
        repeat: (values [B], counts [B], their sum) -> each value so many times.

    Returns:
        [T] integers.
    """
    if config.padding_skips:
        counted = (input_ids != config.pad_token_id) * 1
    else:
        counted = library.ones_like(input_ids)
    total = library.cumsum(counted, 0)
    starts = offsets[:-1]
    before = total[starts] - counted[starts]
    within = total - repeat(before, offsets[1:] - starts, len(input_ids))
    return within * counted + (config.position_start - 1)
