"""What `verify` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltp_deploy.report.page.documents.view import View


@dataclass(frozen=True)
class Logits(View):
    max: float | None
    mean: float | None
    max_without_ties: float | None
    flips: int | None


@dataclass(frozen=True)
class Values(View):
    error: float | None
    spearman: float | None


@dataclass(frozen=True)
class Survivors(View):
    agreement: float | None
    sequences_that_differ: int
    ties: int


@dataclass(frozen=True)
class JudgedGate(View):
    what: str
    found: float | None
    unit: str
    allowed: str
    passed: bool


@dataclass(frozen=True)
class Verified(View):
    """See `ltp_deploy.verification.result.Verification`."""

    bundle_sha256: str
    overrides: tuple[str, ...]
    sequences: int
    tokens: int
    truncated: int
    scores: Mapping[str, Mapping[str, float | None]]
    remark: str
    logits: Logits
    values: Values | None
    survivors: Survivors
    tie_tolerance: float
    survivors_from_reference_build: bool
    mean_alive: tuple[float, ...]
    shares_alive: Mapping[str, tuple[float, ...]]
    flops_ratio_authors: float
    flops_ratio_engine: float
    gates: tuple[JudgedGate, ...]
    failures: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_lengths(self.shares_alive, len(self.mean_alive))
        for metric, models in self.scores.items():
            if set(models) != {"oracle", "engine", "dense"}:
                raise ValueError(f"`scores.{metric}` is of {', '.join(models)}")


def _check_lengths(shares: Mapping[str, tuple[float, ...]], steps: int) -> None:
    for name in ("p10", "p50", "p90"):
        if len(shares.get(name, ())) != steps:
            raise ValueError(f"`shares_alive.{name}` must have {steps} numbers")
