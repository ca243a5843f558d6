"""Which precision: the fastest that loses little enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ltp_deploy.backends.backend import Target
from ltp_deploy.builder.draft import Draft, Measured, draft_build
from ltp_deploy.builder.int8_search import fewest_layers
from ltp_deploy.builder.judge import EngineJudge, Judge, Progress, Variant, silent
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.data.examples import Examples
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.parity.tolerances import SCORE_ROUNDING
from ltp_deploy.targets import find_target

NOISE = 1.05  # times that are nearer to each other say nothing about which engine is faster


@dataclass(frozen=True)
class Candidate:
    """An engine that was judged.

    Attributes:
        drop: points of the score that it loses against the f32 oracle.
        passes: whether these are few enough.
        seconds: per text; None where it was not timed.
    """

    variant: Variant
    drop: float
    passes: bool
    seconds: float | None = None


@dataclass(frozen=True)
class Searched:
    """What was found.

    Attributes:
        chosen: the fastest candidate that passes.
        candidates: all that were judged, the most exact precision first.
        skipped: why the target's other precisions were not tried, by name.
        max_drop: the points that may be lost.
    """

    chosen: Candidate
    candidates: tuple[Candidate, ...]
    skipped: Mapping[str, str]
    max_drop: float

    def applied_to(self, options: BuildOptions) -> BuildOptions:
        """The options with the choice filled in."""
        variant = self.chosen.variant
        return replace(options, precision=variant.precision, not_int8=variant.not_int8)


def choose_precision(
    checkpoint: Path,
    options: BuildOptions,
    measured: Measured,
    examples: Examples,
    max_drop: float,
    progress: Progress = silent,
) -> Searched:
    """The fastest engine that keeps its score, by engines that are built, judged and timed here.

    Args:
        options: with a precision, to look for layers to keep out of it, or without, to choose
            among those of the target.
        max_drop: points of the score that may be lost against the f32 oracle.
        progress: is told of each engine that was judged.

    Raises:
        LtpError: no labels, nothing loses so little, or the target's precisions cannot be compared
            on this machine.
    """
    target = find_target(options.target)
    draft = draft_build(checkpoint, options, measured)
    precisions, skipped = _tried(target, draft)
    if len(precisions) > 1 and target.backend.portable_options(options) != options:
        raise LtpError(
            f"engines for {target.name} are judged in a portable form, whose time says nothing of "
            f"theirs, so --max-drop cannot choose among {', '.join(precisions)}: name one with "
            "--precision"
        )
    with EngineJudge(draft, checkpoint, examples, progress) as judge:
        found = search(precisions, target.beside_int8, judge, max_drop)
    return replace(found, skipped=skipped)


def _tried(target: Target, draft: Draft) -> tuple[list[str], dict[str, str]]:
    """The precisions to try, the most exact first, and why the others are not."""
    if draft.options.precision is not None:
        return [draft.options.precision], {}
    skipped = {}
    for precision in target.precisions:
        reason = _unfit(target, draft.encoder.config, precision, bool(draft.ranges))
        if reason is not None:
            skipped[precision] = reason
    return [p for p in target.precisions if p not in skipped], skipped


def _unfit(target: Target, config: EncoderConfig, precision: str, calibrated: bool) -> str | None:
    if precision == "int8" and not calibrated:
        return "needs --calibration"
    misfit = target.backend.misfit(config, precision)
    return misfit or target.backend.no_gain(precision)


def search(precisions: Sequence[str], beside_int8: str, judge: Judge, max_drop: float) -> Searched:
    """The fastest variant that passes; of those that are as fast, the most exact.

    Args:
        precisions: the most exact first.
        beside_int8: the precision of layers that are kept out of int8.

    Raises:
        LtpError: nothing passes.
    """
    budget, only = max_drop + SCORE_ROUNDING, len(precisions) == 1
    found = [_judged(judge, Variant(precision), budget) for precision in precisions]
    if not only:
        found = _timed(judge, found)
    for precision in _worth_keeping_layers_out(found, beside_int8):
        variant = fewest_layers(judge, precision, budget, may_be_all=only)
        if variant is not None:
            found.append(_judged(judge, variant, budget))
    if not only and any(candidate.seconds is None for candidate in found):
        found = _timed(judge, found)
    passing = [candidate for candidate in found if candidate.passes]
    if not passing:
        raise LtpError(_nothing_passes(judge, found, beside_int8, max_drop))

    def exactness(candidate: Candidate) -> tuple[int, int]:
        variant = candidate.variant
        return precisions.index(variant.precision), -len(variant.not_int8)

    limit = NOISE * min(candidate.seconds or 0.0 for candidate in passing)
    as_fast = [candidate for candidate in passing if (candidate.seconds or 0.0) <= limit]
    return Searched(min(as_fast, key=exactness), tuple(sorted(found, key=exactness)), {}, max_drop)


def _judged(judge: Judge, variant: Variant, budget: float) -> Candidate:
    drop = judge.drop(variant)
    return Candidate(variant, drop, drop <= budget)


def _timed(judge: Judge, found: Sequence[Candidate]) -> list[Candidate]:
    seconds = judge.seconds([candidate.variant for candidate in found])
    return [replace(c, seconds=s) for c, s in zip(found, seconds, strict=True)]


def _worth_keeping_layers_out(found: Sequence[Candidate], beside_int8: str) -> list[str]:
    """The kinds of int8 that lose too much with all layers in them. Not those that are no faster
    even so than what passes, and none where the precision that layers would get loses too much."""
    fastest = min((c.seconds for c in found if c.passes and c.seconds), default=float("inf"))
    if any(c.variant.precision == beside_int8 and not c.passes for c in found):
        return []
    return [
        c.variant.precision
        for c in found
        if c.variant.precision in INT8 and not c.passes and NOISE * (c.seconds or 0.0) < fastest
    ]


def _nothing_passes(
    judge: Judge, found: Sequence[Candidate], beside_int8: str, max_drop: float
) -> str:
    allowed = f"allowed {max_drop:g}"
    precision = found[0].variant.precision
    if len(found) > 1:
        lost = ", ".join(f"{c.variant.precision} {c.drop:.2f}" for c in found)
        return f"points that are lost in each precision, {allowed}: {lost}; allow more"
    if precision not in INT8:
        return f"{precision} loses {found[0].drop:.2f} points, {allowed}; allow more"
    lost_without = judge.drop(Variant(precision, tuple(range(judge.layers))))
    return (
        f"with no layer in int8 the score still drops by {lost_without:.2f} points, {allowed}: "
        f"{beside_int8} loses that; allow more, or take another precision"
    )
