"""What a benchmark runs: requests of real text, or of random tokens in chosen lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig

# Enough to average over, few enough for one pass of the slowest runner and of the oracle.
MAX_SEQUENCES = 128
MIN_REQUESTS = 4
SIGMA = 0.55  # of the logarithm of the lengths; typical of sentences


@dataclass(frozen=True)
class Case:
    """Requests of one kind, whose times are reported together."""

    name: str
    requests: tuple[PackedBatch, ...]

    @property
    def lengths(self) -> np.ndarray:
        """[N] tokens of every sequence of every request."""
        return np.concatenate([request.lengths for request in self.requests])

    @property
    def padding(self) -> float:
        """The share of padding tokens if each request were padded to its longest sequence."""
        padded = sum(r.sequences * int(r.lengths.max()) for r in self.requests)
        return 1 - int(self.lengths.sum()) / padded


def request_count(batch: int) -> int:
    """Distinct requests of `batch` sequences in one case."""
    return max(MIN_REQUESTS, MAX_SEQUENCES // batch)


def from_data(data: PackedBatch, batch: int) -> Case:
    """The first sequences of a data set in their own order; a last, smaller batch is left out."""
    if data.sequences < batch:
        raise LtpError(f"the data has {data.sequences} rows, too few for a batch of {batch}")
    starts = range(0, data.sequences - batch + 1, batch)[: request_count(batch)]
    requests = tuple(data.select(range(start, start + batch)) for start in starts)
    return Case(f"batch {batch}", requests)


def of_length(config: EncoderConfig, length: int, batch: int) -> Case:
    """Random tokens, every sequence of the same length."""
    lengths = [np.full(batch, length)] * MIN_REQUESTS
    return Case(f"batch {batch}, length {length}", random_requests(config, lengths))


def of_distribution(config: EncoderConfig, mean: float, longest: int, batch: int) -> Case:
    """Random tokens, log-normal lengths cut off at `longest`."""
    lengths = lognormal_lengths(mean, (request_count(batch), batch), shortest=4, longest=longest)
    return Case(
        f"batch {batch}, lengths {mean:g} on average", random_requests(config, list(lengths))
    )


def lognormal_lengths(
    mean: float, shape: int | tuple[int, ...], shortest: int, longest: int
) -> np.ndarray:
    """Integers of this shape whose logarithms are normally distributed, the same at every call."""
    raw = np.random.default_rng(14).lognormal(np.log(mean) - SIGMA**2 / 2, SIGMA, shape)
    return np.clip(np.round(raw), shortest, longest).astype(int)


def random_requests(
    config: EncoderConfig, lengths: Sequence[np.ndarray]
) -> tuple[PackedBatch, ...]:
    """Random tokens; `lengths` holds for each request the lengths of its sequences.

    Raises:
        LtpError: a length that the model does not take.
    """
    longest = max(int(n.max()) for n in lengths)
    if longest > config.max_length:
        raise LtpError(f"length {longest} is more than the model takes, {config.max_length} tokens")
    rng = np.random.default_rng(1)
    ids = rng.integers(0, config.vocab_size - 1, sum(int(n.sum()) for n in lengths))
    ids += ids >= config.pad_token_id  # any token but padding
    ends = np.cumsum([0, *np.concatenate(lengths)])
    rows = iter([ids[a:b] for a, b in pairwise(ends)])
    return tuple(pack([next(rows) for _ in n]) for n in lengths)
