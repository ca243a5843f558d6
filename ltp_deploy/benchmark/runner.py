"""What is timed: a session, and the layout in which a batch is given to it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry

Feeds = dict[str, np.ndarray]


class Runnable(Protocol):
    """Any runtime: named arrays in, named arrays out, "logits" among them."""

    def run(self, feeds: Feeds) -> Feeds: ...


class Layout(enum.Enum):
    """How the sequences of a batch reach a model."""

    PACKED = "packed"  # one after another, no padding
    PADDED = "padded"  # all padded to the longest, with a mask
    ONE_BY_ONE = "one by one"  # a call for each, no padding


@dataclass(frozen=True)
class Runner:
    """One runtime with one model.

    Attributes:
        settle: seconds for which its threads go on spinning after a call.
        prunes: whether it follows the pruning policy.
        carries: of a packed engine, which rows each layer hands to the next one.
    """

    name: str
    session: Runnable
    layout: Layout
    settle: float = 0.0
    prunes: bool = False
    carries: tuple[Carry, ...] = ()

    def prepare(self, batch: PackedBatch, config: EncoderConfig) -> Callable[[], np.ndarray]:
        """A call that computes the logits [B, labels] of `batch`; its inputs are made now."""
        feeds = self._feeds(batch, config)
        return lambda: np.concatenate([self.session.run(f)["logits"] for f in feeds])

    def _feeds(self, batch: PackedBatch, config: EncoderConfig) -> list[Feeds]:
        if self.layout is Layout.PACKED:
            return [batch.feeds(config)]
        parts = [batch]
        if self.layout is Layout.ONE_BY_ONE:
            parts = [batch.select([i]) for i in range(batch.sequences)]
        return [padded_feeds(part, config) for part in parts]


def padded_feeds(batch: PackedBatch, config: EncoderConfig) -> Feeds:
    """What transformers' models take, [B, longest] int64 each."""
    ids, types, mask = batch.padded(config.pad_token_id)
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask.astype(np.int64)}
