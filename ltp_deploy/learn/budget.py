"""A budget in points of the score, held on a part of the training data that was set aside."""

from __future__ import annotations

from collections.abc import Sequence

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.stages import Stages
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.search import Judge

HELD_SHARE, HELD_LEAST, HELD_MOST = 0.1, 200, 1000
FACTORS = (2.5, 2.0, 1.7, 1.4, 1.2, 1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.0)
ADAPTING_EPOCHS = (
    1.0  # for the weights to meet a policy that prunes more than that of the hard stage
)


def held_rows(rows: int) -> int:
    """How many of so many training rows are set aside: a tenth, but not too few to say something,
    nor more than a fifth.

    Raises:
        LtpError: there are too few to set any aside.
    """
    held = min(max(int(HELD_SHARE * rows), HELD_LEAST), HELD_MOST, rows // 5)
    if held < 1:
        raise LtpError(
            f"{rows} training rows are too few to set some aside for a budget of points; give more "
            "of them, or a FLOPs ratio (--flops)"
        )
    return held


def within_budget(stages: Stages, policy: PrunePolicy, held: TaskData) -> PrunePolicy:
    """Scale the policy of the hard stage to the most pruning that fits the budget.

    Where more pruning fits than the weights were trained with, they are trained with it, and
    checked once more.

    The drop is counted from the trained weights without pruning. The model that training started
    from may know the labels that were set aside by heart, if it was fine-tuned on them; it would
    seem to be better than it is.

    Args:
        stages: with the weights, and the recipe that names the budget.
        policy: what they were trained with.
        held: data that they were not trained on.

    Returns:
        The scaled policy; one that prunes nothing, where no pruning fits.
    """
    factor, chosen = strongest(stages, policy, held, FACTORS)
    if factor <= 1.0:
        return chosen
    stages.train_pruned(chosen, ADAPTING_EPOCHS, "adapt")
    return strongest(stages, chosen, held, [factor for factor in FACTORS if factor <= 1.0])[1]


def strongest(
    stages: Stages, policy: PrunePolicy, held: TaskData, factors: Sequence[float]
) -> tuple[float, PrunePolicy]:
    """The largest factor, of a falling sequence that ends with 0, with which the policy fits the
    budget, and the policy times this factor."""
    budget = stages.recipe.max_drop
    assert budget is not None
    judge = Judge(stages.encoder, held, budget)
    policies = [policy.scaled(factor) for factor in factors]
    candidates = judge.each(policies, "budget", len(policies))
    pairs = zip(factors, candidates, strict=True)
    return next((f, c.policy) for f, c in pairs if judge.fits(judge.drop(c), c))
