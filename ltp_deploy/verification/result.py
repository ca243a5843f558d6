"""The result of a verification, and what counts as broken."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from ltp_deploy.parity.compare import LogitComparison, SurvivorComparison
from ltp_deploy.parity.tolerances import TOLERANCES


@dataclass(frozen=True)
class Tolerances:
    """What makes `verify` fail; None asks for nothing.

    Attributes:
        max_logit_difference: sequences with ties excepted.
        max_flips: percent of sequences whose answer changes.
        max_drop: points of the score against the oracle.
    """

    max_logit_difference: float | None = None
    max_flips: float | None = None
    max_drop: float | None = None

    def or_defaults(self, precision: str) -> Tolerances:
        """With the precision's default for every tolerance that was not stated."""
        default = TOLERANCES[precision]
        return Tolerances(
            *(
                stated if stated is not None else getattr(default, name)
                for name, stated in asdict(self).items()
            )
        )


@dataclass(frozen=True)
class Verification:
    """All that was found; `failures` has a sentence for each broken tolerance.

    `overrides` names the conventions given to the build in place of the checkpoint's.
    """

    bundle: str
    overrides: list[str]
    precision: str
    sequences: int
    tokens: int
    metric: str | None
    scores: dict[str, float]
    logits: LogitComparison
    survivors: SurvivorComparison
    tie_tolerance: float
    survivors_from_reference_build: bool
    mean_alive: list[float]
    flops_ratio_authors: float
    flops_ratio_engine: float
    failures: list[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **asdict(self),
            "survivors": {
                "agreement": self.survivors.agreement,
                "sequences_that_differ": len(self.survivors.differences),
                "ties": len(self.survivors.ties),
                "disagreements": [asdict(d) for d in self.survivors.disagreements],
            },
        }


def broken(
    precision: str,
    logits: LogitComparison,
    survivors: SurvivorComparison,
    scores: dict[str, float],
    sequences: int,
    tolerances: Tolerances,
) -> list[str]:
    """A sentence for each broken tolerance; logits that are not finite always break one."""
    failures = []
    if not isfinite(logits.max):
        failures.append("the engine's logits are not finite")
    limit = tolerances.max_logit_difference
    if limit is not None and not logits.max_without_ties <= limit:
        failures.append(f"logits differ by {logits.max_without_ties:.3g}, allowed {limit:g}")
    if precision == "f32" and survivors.disagreements:
        failures.append(f"{len(survivors.disagreements)} sequences disagree on survivors, no tie")
    flips = 100 * logits.flips / sequences
    if tolerances.max_flips is not None and flips > tolerances.max_flips:
        failures.append(f"{flips:.2f} % of predictions flip, allowed {tolerances.max_flips:g} %")
    if tolerances.max_drop is not None and scores:
        drop = scores["oracle"] - scores["engine"]
        if drop > tolerances.max_drop:
            failures.append(f"the score drops by {drop:.2f}, allowed {tolerances.max_drop:g}")
    return failures
