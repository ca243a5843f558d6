"""What a benchmark found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunnerResult:
    """One runner on one case. Ratios are its time or multiply-adds over those of our engine."""

    name: str
    samples: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    sequences_per_s: float
    tokens_per_s: float
    time_ratio: float
    flops_ratio: float | None


@dataclass(frozen=True)
class CaseResult:
    """All runners on one case.

    flops_ratio_authors: multiply-adds without pruning over those with it, as the LTP paper counts.
    same_predictions: share of sequences on which our engine agrees with the dense model.
    baseline_difference: largest logit difference between our engine without pruning and the dense
    model, relative to the largest logit. The three are None without a checkpoint.
    """

    name: str
    requests: int
    sequences: int
    tokens: int
    padding: float
    runners: list[RunnerResult]
    flops_ratio_authors: float | None = None
    same_predictions: float | None = None
    baseline_difference: float | None = None


@dataclass(frozen=True)
class Benchmark:
    """Everything measured; `warnings` are reasons not to trust it.

    bundle_sha256: see `bundle_digest`.
    pruning: the factor for its thresholds with which the bundle was loaded.
    """

    bundle: str
    bundle_sha256: str
    target: str
    precision: str
    pruning: float
    machine: dict[str, Any]
    cases: list[CaseResult]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)
