"""The largest request that an engine accepts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.model.config import MAX_SIZE, EncoderConfig

MAX_BATCH = 32


def length_batches(lengths: np.ndarray, batch: int, max_tokens: int = 0) -> list[list[int]]:
    """Numbers of sequences in batches of similar length, so that little of a padded one is padding.

    Args:
        lengths: [N] tokens.
        batch: the most sequences, and `max_tokens` the most tokens of a batch; 0 is no limit.
    """
    found: list[list[int]] = []
    tokens = 0
    for i in np.argsort(lengths, kind="stable").tolist():
        tokens += int(lengths[i])
        full = bool(max_tokens) and tokens > max_tokens
        if not found or full or len(found[-1]) == batch:
            found.append([])
            tokens = int(lengths[i])
        found[-1].append(i)
    return found


def shared_batches(
    lengths: np.ndarray, batch: int, max_tokens: int, workers: int
) -> list[list[int]]:
    """Like `length_batches`, of about as many tokens each, and so many that workers who take one
    after another end at about the same time. Batches that cannot be so even are left as they are.

    Args:
        lengths: [N >= 1] tokens.
    """
    found = length_batches(lengths, batch, max_tokens)
    order = np.argsort(lengths, kind="stable")
    middles = np.cumsum(lengths[order]) - lengths[order] / 2
    each = -(-len(found) // workers) * workers
    for count in (each, each + workers):
        cuts = np.searchsorted(middles, lengths.sum() * np.arange(1, count) / count)
        even = [rows for rows in np.split(order, cuts) if len(rows)]
        if all(len(rows) <= batch and lengths[rows].sum() <= max_tokens for rows in even):
            return [rows.tolist() for rows in even]
    return found


def common(limits: Sequence[Limits]) -> Limits:
    """What engines with these limits all accept."""
    return Limits(
        min((each.max_tokens for each in limits if each.max_tokens), default=0),
        min((each.max_batch for each in limits if each.max_batch), default=0),
        min(each.max_length for each in limits),
    )


@dataclass(frozen=True)
class Limits:
    """Tokens and sequences of a whole request, and tokens of one sequence.

    0 tokens or sequences mean no limit but memory; `max_length` is always at least 1.
    """

    max_tokens: int
    max_batch: int
    max_length: int

    def __post_init__(self) -> None:
        if max(self.max_tokens, self.max_batch) > MAX_SIZE:
            raise ValueError(
                f"limits of {self.max_tokens} tokens and {self.max_batch} sequences, and 32 bits "
                f"count to {MAX_SIZE}"
            )
        if self.max_tokens < 0 or self.max_batch < 0 or self.max_length < 1:
            raise ValueError(
                f"limits of {self.max_tokens} tokens, {self.max_batch} sequences and "
                f"{self.max_length} tokens of one sequence leave no request"
            )

    @classmethod
    def choose(cls, options: BuildOptions, config: EncoderConfig, needed: bool) -> Limits:
        """From the options; `needed`: the target needs a number where the user gave none.

        Raises:
            LtpError: limits that contradict each other or the model.
        """
        length = options.max_length or config.max_length
        if length > config.max_length:
            raise LtpError(
                f"--max-length {length}, but the model takes at most {config.max_length} tokens"
            )
        batch = options.max_batch or (MAX_BATCH if needed else 0)
        tokens = options.max_tokens or (min(batch * length, MAX_SIZE) if needed else 0)
        if tokens and options.max_tokens and options.max_length and tokens < length:
            raise LtpError(f"--max-tokens {tokens} leaves no room for --max-length {length}")
        return cls(tokens, batch, min(length, tokens) if tokens else length)

    @property
    def sequences(self) -> int:
        """How many sequences of any length fit into a request."""
        longest = self.max_tokens // self.max_length if self.max_tokens else sys.maxsize
        return min(self.max_batch or sys.maxsize, longest)

    def requests(self, lengths: np.ndarray, batch: int | None = None) -> list[list[int]]:
        """Requests that the engine accepts, of sequences of similar length.

        Args:
            lengths: [N] tokens, none above `max_length`.
            batch: the most sequences of a request, unless the engine takes fewer.

        Returns:
            The sequences' numbers, request by request.
        """
        most = min((n for n in (batch, self.max_batch) if n), default=len(lengths))
        return length_batches(lengths, most, self.max_tokens)

    def allow(self, lengths: Any) -> bool:
        """Whether a request of sequences of these lengths [B] is accepted."""
        try:
            self.check(lengths)
        except InputError:
            return False
        return True

    def check(self, lengths: Any) -> None:
        """Refuse a request of sequences of these lengths [B].

        Raises:
            InputError: what was found, what is allowed, what to do.
        """
        rebuild = "split the request, or build with a larger"
        if self.max_batch and len(lengths) > self.max_batch:
            raise InputError(
                f"the request has {len(lengths)} sequences, the engine takes {self.max_batch}; "
                f"{rebuild} --max-batch"
            )
        if self.max_tokens and lengths.sum() > self.max_tokens:
            raise InputError(
                f"the request has {lengths.sum()} tokens, the engine takes {self.max_tokens}; "
                f"{rebuild} --max-tokens"
            )
        if lengths.max() > self.max_length:
            i = int(lengths.argmax())
            raise InputError(
                f"sequence {i} has {lengths[i]} tokens, the engine takes at most "
                f"{self.max_length}; truncate it"
            )
