"""The most pruning that a budget allows, with no training: thresholds rescaled on data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.evaluate import Point, evaluate
from ltp_deploy.learn.scale import rescaled
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy

FACTORS = (0.25, 0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
LAYER_STEP = 1.25
LAYER_ROUNDS = 2

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """Thresholds times a factor, one for each layer, and what that does on the data."""

    factors: tuple[float, ...]
    point: Point


@dataclass(frozen=True)
class Tuned:
    """The search: the dense model, the checkpoint as it was, one factor for all layers, and the
    choice, whose layers were moved one by one."""

    max_drop: float
    dense: Point
    before: Point
    curve: tuple[Candidate, ...]
    chosen: Candidate
    tried: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def tune(
    encoder: Encoder, data: TaskData, max_drop: float, progress: Progress = lambda words: None
) -> tuple[PrunePolicy, Tuned]:
    """Rescale the policy of `encoder`: one factor for all layers, then layer by layer.

    The drop is counted from the same weights without pruning, on the same data. What is chosen
    on data fits that data best: judge it on other data.

    Args:
        max_drop: in points of the metric.
        progress: is told what is being tried.

    Raises:
        LtpError: the checkpoint does not prune, or no factor stays inside the budget.
    """
    policy, layers = encoder.config.policy, encoder.config.layers
    if not policy.prunes:
        raise LtpError("this checkpoint prunes nothing, so there is nothing to tune; see `learn`")
    dense = evaluate(encoder.with_policy(PrunePolicy.dense(layers)), data)
    tried: dict[PrunePolicy, Point] = {}

    def look(factors: tuple[float, ...]) -> Candidate:
        scaled = rescaled(policy, factors)
        if scaled not in tried:
            tried[scaled] = evaluate(encoder.with_policy(scaled), data)
        point = tried[scaled]
        progress(f"{point.flops_ratio:.2f}x fewer FLOPs, {point.score:.2f}")
        return Candidate(factors, point)

    def fits(candidate: Candidate) -> bool:
        return dense.score - candidate.point.score <= max_drop

    curve = tuple(look((factor,) * layers) for factor in FACTORS)
    inside = [candidate for candidate in curve if fits(candidate)]
    if not inside:
        gentlest = curve[0].point
        raise LtpError(
            f"even with thresholds times {FACTORS[0]:g} the score drops by "
            f"{dense.score - gentlest.score:.2f} points, allowed {max_drop:g}; train with less "
            "pruning, or allow more"
        )
    best = max(inside, key=lambda candidate: candidate.point.flops_ratio)
    for _ in range(LAYER_ROUNDS):
        best = _layer_by_layer(best, policy, look, fits)
    before = look((1.0,) * layers).point
    return rescaled(policy, best.factors), Tuned(max_drop, dense, before, curve, best, len(tried))


def _layer_by_layer(
    best: Candidate,
    policy: PrunePolicy,
    look: Callable[[tuple[float, ...]], Candidate],
    fits: Callable[[Candidate], bool],
) -> Candidate:
    """Raise each layer's threshold as long as that saves work inside the budget."""
    for layer, rule in enumerate(policy.layers):
        while rule.prunes:
            factors = tuple(f * LAYER_STEP if i == layer else f for i, f in enumerate(best.factors))
            candidate = look(factors)
            better = candidate.point.flops_ratio > best.point.flops_ratio
            if not (better and fits(candidate)):
                break
            best = candidate
    return best
