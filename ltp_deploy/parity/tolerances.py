"""How far engines may be from what they are compared with: one row per precision.

f32 is held to exactness. In reduced precisions a rounding decides single tokens differently,
which moves single logits far: there predictions, scores and averages are held.
"""

from __future__ import annotations

from dataclasses import dataclass

F32_LOGITS = 1e-4  # what a logit of an f32 engine may be off
SCORE_ROUNDING = 1e-9  # of scores and of what else is judged, each in its own unit
SELF_CHECK_F32 = 1e-3  # of a logit, on random tokens
SELF_CHECK_REDUCED = 0.25  # the median difference, relative to the largest logit
SELF_CHECK_CALIBRATED = 0.5  # random tokens leave the ranges that texts were found to have


@dataclass(frozen=True)
class Tolerance:
    """What one precision is allowed.

    Attributes:
        tie: relative distance of a token's score from the value that decides its fate, below
            which rounding may decide otherwise.
        max_logit_difference: `verify` fails above it, sequences with ties excepted; None where
            logits are not held.
        max_flips: `verify` fails when more percent of predictions change; None where not held.
        max_drop: `verify` fails when the score drops by more points; None where not held.
        min_agreement: `verify` fails when fewer percent of the tokens that are alive after a layer
            in the oracle or the engine are alive in both, over all layers.
        max_error: `verify` fails when the RMS error of values is more percent of their deviation.
        max_cosine_error: the same of cosines between the texts, where answers are vectors.
        min_spearman: `verify` fails when the rank correlation of values is less.
        self_check: see the constants above; relative but in f32.
        statistic, logits, marks: what Polygraphy's comparison holds, "max" or "mean", of logits
            and of the marks (0 or 1) of the tokens alive after a layer.
        baseline: difference of logits, relative to the largest, up to which the unpruned engine
            and a dense baseline count as the same model.
    """

    tie: float
    max_logit_difference: float | None
    max_flips: float | None
    max_drop: float | None
    min_agreement: float
    self_check: float
    statistic: str
    logits: float
    marks: float
    baseline: float
    max_error: float = 5.0
    max_cosine_error: float = 5.0
    min_spearman: float = 0.99


TOLERANCES = {
    "f32": Tolerance(
        tie=1e-4,
        max_logit_difference=F32_LOGITS,
        max_flips=None,
        max_drop=None,
        min_agreement=99.9,
        self_check=SELF_CHECK_F32,
        statistic="max",
        logits=F32_LOGITS,
        marks=0.0,
        baseline=1e-3,
    ),
    "fp16": Tolerance(
        tie=1e-2,
        max_logit_difference=None,
        max_flips=1.0,
        max_drop=1.0,
        min_agreement=98.0,
        self_check=SELF_CHECK_REDUCED,
        statistic="mean",
        logits=0.05,
        marks=0.02,
        baseline=0.05,
    ),
    "bf16": Tolerance(
        tie=5e-2,
        max_logit_difference=None,
        max_flips=1.0,
        max_drop=1.0,
        min_agreement=98.0,
        self_check=SELF_CHECK_REDUCED,
        statistic="mean",
        logits=0.1,
        marks=0.05,
        baseline=0.1,
    ),
    "int8-dynamic": Tolerance(
        tie=0.2,
        max_logit_difference=None,
        max_flips=4.0,
        max_drop=1.0,
        min_agreement=95.0,
        self_check=SELF_CHECK_REDUCED,
        statistic="mean",
        logits=0.2,
        marks=0.1,
        baseline=0.3,
        max_cosine_error=15.0,
    ),
    "int8": Tolerance(
        tie=0.3,
        max_logit_difference=None,
        max_flips=4.0,
        max_drop=1.0,
        min_agreement=95.0,
        self_check=SELF_CHECK_CALIBRATED,
        statistic="mean",
        logits=0.4,
        marks=0.15,
        baseline=0.3,
        max_cosine_error=15.0,
    ),
}
