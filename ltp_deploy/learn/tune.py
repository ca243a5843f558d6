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
    """What the search found.

    Attributes:
        max_drop: the budget, in points of the metric.
        dense: the model without pruning.
        before: the model with the thresholds that it came with.
        curve: one factor for all layers, for each of `FACTORS`.
        chosen: the result, whose layers have factors of their own.
        tried: how many policies were evaluated.
    """

    max_drop: float
    dense: Point
    before: Point
    curve: tuple[Candidate, ...]
    chosen: Candidate
    tried: int

    def to_dict(self) -> dict[str, Any]:
        """As a dict that `json.dumps` takes."""
        return asdict(self)


def tune(
    encoder: Encoder, data: TaskData, max_drop: float, progress: Progress = lambda text: None
) -> tuple[PrunePolicy, Tuned]:
    """Rescale the policy of `encoder`: one factor for all layers, then layer by layer.

    The drop is counted from the same weights without pruning, on the same data. What is chosen
    on data fits that data best: check it on other data.

    Args:
        encoder: a model that prunes.
        data: what every policy is evaluated on.
        max_drop: the budget, in points of the metric.
        progress: is told what each policy that was tried does.

    Returns:
        The rescaled policy, and how it was found.

    Raises:
        LtpError: the checkpoint does not prune, or no factor stays inside the budget.
    """
    policy, layers = encoder.config.policy, encoder.config.layers
    if not policy.prunes:
        raise LtpError("this checkpoint prunes nothing, so there is nothing to tune; see `learn`")
    search = Search(encoder, data, max_drop, progress)
    curve = tuple(search.look((factor,) * layers) for factor in FACTORS)
    best = search.best_of(curve)
    for _ in range(LAYER_ROUNDS):
        best = search.layer_by_layer(best)
    before = search.look((1.0,) * layers).point
    tuned = Tuned(max_drop, search.dense, before, curve, best, len(search.tried))
    return rescaled(policy, best.factors), tuned


class Search:
    """Rescaled policies of one model, tried on data and judged by a budget.

    Attributes:
        dense: the model without pruning, from which drops are counted.
        tried: what each policy that was looked at does; no policy is evaluated twice.
    """

    def __init__(self, encoder: Encoder, data: TaskData, max_drop: float, progress: Progress):
        self.encoder = encoder
        self.data = data
        self.max_drop = max_drop
        self.progress = progress
        self.dense = evaluate(encoder.with_policy(PrunePolicy.dense(encoder.config.layers)), data)
        self.tried: dict[PrunePolicy, Point] = {}

    def look(self, factors: tuple[float, ...]) -> Candidate:
        """What the policy does when each layer is scaled by its factor."""
        policy = rescaled(self.encoder.config.policy, factors)
        if policy not in self.tried:
            self.tried[policy] = evaluate(self.encoder.with_policy(policy), self.data)
        point = self.tried[policy]
        self.progress(f"{point.flops_ratio:.2f}x fewer FLOPs, {point.score:.2f}")
        return Candidate(factors, point)

    def fits(self, candidate: Candidate) -> bool:
        """Whether the drop is inside the budget."""
        return self.dense.score - candidate.point.score <= self.max_drop

    def best_of(self, curve: tuple[Candidate, ...]) -> Candidate:
        """The candidate that saves the most inside the budget.

        Args:
            curve: the gentlest candidate first.

        Raises:
            LtpError: none is inside the budget.
        """
        inside = [candidate for candidate in curve if self.fits(candidate)]
        if not inside:
            gentlest = curve[0]
            raise LtpError(
                f"even with thresholds times {gentlest.factors[0]:g} the score drops by "
                f"{self.dense.score - gentlest.point.score:.2f} points, allowed "
                f"{self.max_drop:g}; train with less pruning, or allow more"
            )
        return max(inside, key=lambda candidate: candidate.point.flops_ratio)

    def layer_by_layer(self, best: Candidate) -> Candidate:
        """Raise each layer's factor for as long as that saves work inside the budget."""
        for layer, rule in enumerate(self.encoder.config.policy.layers):
            while rule.prunes:
                candidate = self.look(_raised(best.factors, layer))
                better = candidate.point.flops_ratio > best.point.flops_ratio
                if not (better and self.fits(candidate)):
                    break
                best = candidate
        return best


def _raised(factors: tuple[float, ...], layer: int) -> tuple[float, ...]:
    return tuple(f * LAYER_STEP if i == layer else f for i, f in enumerate(factors))
