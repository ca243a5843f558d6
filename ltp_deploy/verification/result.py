"""The result of a verification."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ltp_deploy.parity.compare import LogitComparison, SurvivorComparison, ValueComparison
from ltp_deploy.verification.gates import Gate


@dataclass(frozen=True)
class Verification:
    """All that was found, and how it was judged.

    Attributes:
        bundle_sha256: see `bundle_digest`.
        overrides: conventions given to the build in place of the checkpoint's.
        truncated: texts that are longer than what the engine reads of them, on both sides.
        labelled: whether the data has labels.
        scores: by metric with its unit, then of "oracle", "engine" and "dense", the oracle without
            pruning; empty without labels, or where they leave every metric undefined.
        remark: of the scores, see `Head.remark`.
        values: None where answers are labels.
        mean_alive: L+1 numbers of tokens that are alive in the oracle before layer 0, then after
            each layer; `shares_alive` are percentiles over sequences, see `share_percentiles`.
    """

    bundle: str
    bundle_sha256: str
    overrides: list[str]
    precision: str
    sequences: int
    tokens: int
    truncated: int
    labelled: bool
    scores: dict[str, dict[str, float]]
    remark: str
    logits: LogitComparison
    values: ValueComparison | None
    survivors: SurvivorComparison
    tie_tolerance: float
    survivors_from_reference_build: bool
    mean_alive: list[float]
    shares_alive: dict[str, list[float]]
    flops_ratio_authors: float
    flops_ratio_engine: float
    gates: list[Gate]

    @property
    def failures(self) -> list[str]:
        """A sentence for each gate that is not passed; one where no gate was about answers."""
        found = [str(gate) for gate in self.gates if not gate.passed]
        if not any(gate.answers for gate in self.gates):
            found.append(
                f"no answer was judged: of {self.sequences} sequences {len(self.survivors.ties)} "
                "have a tie, and values that do not differ have neither scale nor order; pass more "
                "data"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **asdict(self),
            "failures": self.failures,
            "gates": [
                {**asdict(gate), "allowed": gate.allowed, "passed": gate.passed}
                for gate in self.gates
            ],
            "survivors": {
                "agreement": self.survivors.agreement,
                "sequences_that_differ": len(self.survivors.differences),
                "ties": len(self.survivors.ties),
                "disagreements": [asdict(d) for d in self.survivors.disagreements],
            },
        }
