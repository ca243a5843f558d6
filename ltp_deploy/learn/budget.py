"""A budget in points of the score, held on data that nobody was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.learn.stages import Stages
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.tune.search import Judge

FACTORS = (2.5, 2.0, 1.7, 1.4, 1.2, 1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.0)
ADAPTING_EPOCHS = 1.0  # with a policy that prunes more than that of the hard stage


def within_budget(stages: Stages, policy: PrunePolicy, judge: Judge) -> PrunePolicy:
    """Scale the policy of the hard stage to the most pruning that fits the budget.

    Where more pruning fits than the weights were trained with, they are trained with it, and
    checked once more.

    Args:
        stages: with the trained weights.
        policy: what they were trained with.
        judge: of these weights, made before they were trained: drops count from what they
            answered then.

    Returns:
        The scaled policy; one that prunes nothing, where no pruning fits.
    """
    factor, chosen = strongest(policy, judge, FACTORS)
    if factor <= 1.0:
        return chosen
    stages.train_pruned(chosen, ADAPTING_EPOCHS, "adapt")
    return strongest(chosen, judge, [factor for factor in FACTORS if factor <= 1.0])[1]


def strongest(
    policy: PrunePolicy, judge: Judge, factors: Sequence[float]
) -> tuple[float, PrunePolicy]:
    """The largest factor, of a falling sequence that ends with 0, with which the policy fits the
    budget, and the policy times this factor."""
    policies = [policy.scaled(factor) for factor in factors]
    candidates = judge.each(policies, "budget", len(policies))
    pairs = zip(factors, candidates, strict=True)
    return next((f, c.policy) for f, c in pairs if judge.fits(judge.drop(c), c))
