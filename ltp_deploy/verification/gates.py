"""What `verify` judges, and by which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite

from ltp_deploy.errors import LtpError
from ltp_deploy.parity.compare import LogitComparison, SurvivorComparison, ValueComparison
from ltp_deploy.parity.tolerances import SCORE_ROUNDING, TOLERANCES


@dataclass(frozen=True)
class Tolerances:
    """The limits; None asks for the precision's own, and where that is None for nothing.

    Attributes:
        max_logit_difference: sequences with ties excepted.
        max_flips: percent of sequences whose answer changes, where answers are labels.
        max_error: RMS error in percent of the deviation of the oracle's values, where answers are
            values; of the cosines between texts, where they are vectors.
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

    def or_defaults(self, precision: str, cosines: bool = False) -> Tolerances:
        """With the precision's default for every tolerance that was not stated.

        Args:
            cosines: whether what is compared are cosines between texts.
        """
        default = TOLERANCES[precision]
        known = {name: getattr(default, name) for name in asdict(self)}
        if cosines:
            known["max_error"] = default.max_cosine_error
        stated = {name: value for name, value in asdict(self).items() if value is not None}
        return Tolerances(**{**known, **stated})


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
        """Never true of NaN; a limit that is just met is met."""
        if self.least:
            return self.found >= self.limit - SCORE_ROUNDING
        return self.found <= self.limit + SCORE_ROUNDING

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
    scores: Mapping[str, Mapping[str, float]],
    tolerances: Tolerances,
    cosines: bool = False,
) -> list[Gate]:
    """Everything that can be judged of what was found.

    Args:
        values: None where answers are labels.
        scores: by metric, of "oracle" and "engine"; empty without labels.
        cosines: whether the values are cosines between texts.
    """
    allowed = tolerances.or_defaults(precision, cosines)
    found = [Gate("logits that are not finite", float(not isfinite(logits.max)), 0, answers=False)]

    def judge(
        limit: float | None, what: str, value: float | None, unit: str = "", **more: bool
    ) -> None:
        if limit is not None and value is not None:
            found.append(Gate(what, value, limit, unit, **more))

    judge(allowed.max_logit_difference, "largest logit difference", logits.max_without_ties)
    if values is None:
        changed = 100 * (logits.flips or 0) / sequences
        judge(allowed.max_flips, "answers that change", changed, " %")
    else:
        error = None if values.error is None else 100 * values.error
        judge(allowed.max_error, "RMS error, of the deviation", error, " %")
        judge(allowed.min_spearman, "rank correlation", values.spearman, least=True)
    if precision == "f32":
        differ = float(len(survivors.disagreements))
        judge(0, "sequences whose survivors differ without a tie", differ, answers=False)
    agreement = 100 * survivors.agreement
    judge(
        allowed.min_agreement, "agreement of survivors", agreement, " %", least=True, answers=False
    )
    for metric, score in scores.items():
        judge(allowed.max_drop, f"drop of {metric}", score["oracle"] - score["engine"], " points")
    return found


def check_applicable(tolerances: Tolerances, gives_values: bool) -> None:
    """Refuse tolerances that were stated and would not be looked at.

    Raises:
        LtpError: by the option's name.
    """
    other = ("max_flips",) if gives_values else ("max_error", "min_spearman")
    kind = "values" if gives_values else "labels"
    for name in other:
        if getattr(tolerances, name) is not None:
            raise LtpError(f"--{name.replace('_', '-')} does not apply: the model gives {kind}")
