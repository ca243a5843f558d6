"""What `bench` found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ltp_deploy.report.page.documents.view import View


@dataclass(frozen=True)
class RunnerTimes(View):
    """See `ltp_deploy.benchmark.results.RunnerResult`."""

    name: str
    samples: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    sequences_per_s: float
    time_ratio: float
    flops_ratio: float | None

    def __post_init__(self) -> None:
        if not 0 < self.p50_ms <= self.p90_ms <= self.p99_ms:
            raise ValueError(f"{self.name}: times that do not rise from the median on")


@dataclass(frozen=True)
class CaseTimes(View):
    """See `ltp_deploy.benchmark.results.CaseResult`; the first runner is the engine."""

    name: str
    requests: int
    sequences: int
    tokens: int
    padding: float
    runners: tuple[RunnerTimes, ...]
    same_predictions: float | None

    def __post_init__(self) -> None:
        if not self.runners:
            raise ValueError(f"{self.name}: nothing was timed")


@dataclass(frozen=True)
class Machine(View):
    gpus: tuple[str, ...]
    cpu: str
    flags: tuple[str, ...]
    cores: int
    memory_gib: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Benchmarked(View):
    """See `ltp_deploy.benchmark.results.Benchmark`."""

    bundle_sha256: str
    precision: str
    pruning: float
    machine: Machine
    cases: tuple[CaseTimes, ...]
    warnings: tuple[str, ...]
