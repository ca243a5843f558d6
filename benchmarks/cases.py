"""The requests: one short sequence, one long one, and a batch as real traffic has it."""

from __future__ import annotations

import numpy as np

from ltp_deploy.benchmark.workload import Case, random_requests
from ltp_deploy.config import EncoderConfig


def mixed_lengths() -> np.ndarray:
    """32 lognormal lengths, 1608 tokens, the longest 128: 61 % padding when padded."""
    rng = np.random.default_rng(14)
    sigma = 0.55
    raw = rng.lognormal(np.log(50) - sigma**2 / 2, sigma, 32)
    return np.clip(np.round(raw), 8, 128).astype(int)


def all_cases(config: EncoderConfig) -> list[Case]:
    """One request each, of random tokens."""
    lengths = {"n=128": np.array([128]), "n=384": np.array([384]), "mixed": mixed_lengths()}
    return [Case(name, random_requests(config, [n])) for name, n in lengths.items()]
