"""The requests: one short sequence, one long one, and a batch as real traffic has it."""

from __future__ import annotations

import numpy as np

from ltp_deploy.benchmark.workload import Case, lognormal_lengths, random_requests
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile


def mixed_lengths(sequences: int = 32) -> np.ndarray:
    """Log-normally distributed lengths [sequences] from 8 to 128, always the same ones.

    The first 32 have 1608 tokens; padded to 128, 61 % of the rows are padding.
    """
    return lognormal_lengths(50, sequences, shortest=8, longest=128)


def assumed_profile(policy: PrunePolicy, lengths: np.ndarray) -> SurvivorProfile:
    """How many tokens survive in sequences of these lengths [N], by the policy's top-k rates."""
    alive = [SurvivorProfile.assumed(policy, int(length)).alive for length in lengths]
    return SurvivorProfile(
        np.concatenate(alive), np.zeros((len(lengths), len(policy.layers)), bool)
    )


def all_cases(config: EncoderConfig) -> list[Case]:
    """All cases, with one request of random tokens each."""
    lengths = {"n=128": np.array([128]), "n=384": np.array([384]), "mixed": mixed_lengths()}
    return [Case(name, random_requests(config, [n])) for name, n in lengths.items()]
