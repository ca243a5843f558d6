"""What `verify` judges, and by which limits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite

from ltp_deploy.parity.compare import LogitComparison, SurvivorComparison, ValueComparison
from ltp_deploy.parity.tolerances import TOLERANCES


@dataclass(frozen=True)
class Tolerances:
    """The limits; None asks for the precision's own, and where that is None for nothing.

    Attributes:
        max_logit_difference: sequences with ties excepted.
        max_flips: percent of sequences whose answer changes, where answers are labels.
        max_error: RMS error in percent of the deviation of the oracle's values, where answers are
            values.
        min_spearman: rank correlation with the oracle's values, likewise.
        min_agreement: percent of survivors, see `SurvivorComparison`.
        max_drop: points of the score against the oracle.
    """

    max_logit_difference: float | None = None
    max_flips: float | None = None
    max_error: float | None = None
    min_spearman: float | None = None
    min_agreement: float | None = None
    max_drop: float | None = None

    def or_defaults(self, precision: str) -> Tolerances:
        """With the precision's default for every tolerance that was not stated."""
        default = TOLERANCES[precision]
        return Tolerances(
            **{
                name: stated if stated is not None else getattr(default, name)
                for name, stated in asdict(self).items()
            }
        )


@dataclass(frozen=True)
class Gate:
    """One thing that was judged.

    Attributes:
        what: in words; `unit` of both numbers.
        limit: the most that is allowed; with `least` the least.
        answers: whether it is about answers, not about how they come about.
    """

    what: str
    found: float
    limit: float
    unit: str = ""
    least: bool = False
    answers: bool = True

    @property
    def passed(self) -> bool:
        """Never true of NaN."""
        return self.found >= self.limit if self.least else self.found <= self.limit

    @property
    def allowed(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.limit:g}{self.unit}"

    def __str__(self) -> str:
        return f"{self.what}: {self.found:.4g}{self.unit}, allowed {self.allowed}"


def gates(
    precision: str,
    sequences: int,
    logits: LogitComparison,
    values: ValueComparison | None,
    survivors: SurvivorComparison,
    scores: dict[str, float],
    tolerances: Tolerances,
) -> list[Gate]:
    """Everything that can be judged of what was found.

    Args:
        values: None where answers are labels.
        scores: of "oracle" and "engine"; empty without labels.
    """
    allowed = tolerances.or_defaults(precision)
    found = [Gate("logits that are not finite", float(not isfinite(logits.max)), 0, answers=False)]

    def judge(limit: float | None, what: str, value: float, unit: str = "", **more: bool) -> None:
        if limit is not None:
            found.append(Gate(what, value, limit, unit, **more))

    judge(allowed.max_logit_difference, "largest logit difference", logits.max_without_ties)
    if logits.flips is not None:
        judge(allowed.max_flips, "answers that change", 100 * logits.flips / sequences, " %")
    if values is not None and values.error is not None:
        judge(allowed.max_error, "RMS error, of the deviation", 100 * values.error, " %")
    if values is not None and values.spearman is not None:
        judge(allowed.min_spearman, "rank correlation", values.spearman, least=True)
    if precision == "f32":
        differ = float(len(survivors.disagreements))
        judge(0, "sequences whose survivors differ without a tie", differ, answers=False)
    agreement = 100 * survivors.agreement
    judge(
        allowed.min_agreement, "agreement of survivors", agreement, " %", least=True, answers=False
    )
    if scores:
        judge(allowed.max_drop, "drop of the score", scores["oracle"] - scores["engine"], " points")
    return found
