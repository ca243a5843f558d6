"""A budget in points of the score, held on data that nobody was trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import takewhile

import numpy as np

from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.progress import Progress
from ltp_deploy.tune.forward import Run, by_policy
from ltp_deploy.tune.search import Estimate, Judge

WEAKER = (0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25, 0.0)
STRONGER = (1.1, 1.2, 1.4, 1.7, 2.0, 2.5)
SPARE = 1.0  # standard errors of the drop that a stronger policy has to leave of the budget


class Budget:
    """The most pruning inside a budget, by cross-fitting: a factor for the policy is chosen on each
    half of the data and judged on the other. So all of the data judges, and no text judges what
    was chosen on it.

    Attributes:
        judge: of the data, made before the weights were trained: drops count from what they
            answered then.
        halves: [2, N] bool, two random halves of it.
    """

    def __init__(self, judge: Judge, seed: int):
        """
        Raises:
            LtpError: the metric is undefined on a half.
        """
        self.judge = judge
        texts = len(judge.data)
        first = np.random.default_rng(seed).permutation(texts) < (texts + 1) // 2
        self.halves = np.stack([first, ~first])
        for half in self.halves:
            judge.drop_on(half, judge.unpruned)

    def strongest(self, policy: PrunePolicy) -> tuple[PrunePolicy, Estimate]:
        """Scale the policy that the weights were trained with.

        Returns:
            The policy times the smaller of the two factors, and what it costs, as an upper
            estimate: each half counts with its answers under the factor chosen on the other one,
            which prunes as much or more.
        """
        judge = self.judge
        runs: dict[float, Run] = {}
        with Progress("budget", unit="policy") as progress:

            def run(factor: float) -> Run:
                if factor not in runs:
                    runs[factor] = judge.forward.run(by_policy(policy.scaled(factor)))
                    progress.update()
                return runs[factor]

            def fits(half: np.ndarray, factor: float) -> bool:
                drop, error = judge.drop_on(half, run(factor).logits)
                return drop + (SPARE * error if factor > 1.0 else 0.0) <= judge.max_drop

            first, second = (largest(partial(fits, half)) for half in self.halves)
            answers = (run(second).logits, run(first).logits)
            weaker = min(first, second)
            estimate = judge.estimate_of(
                np.where(self.halves[0][:, None], *answers), run(weaker).profile
            )
        return policy.scaled(weaker), estimate


def largest(fits: Callable[[float], bool]) -> float:
    """The factor at the end of a walk from 1: up as long as factors fit, or where 1 does not fit,
    down to the first one that does. A factor of 0 has to be taken."""
    if fits(1.0):
        return max(takewhile(fits, STRONGER), default=1.0)
    return next(factor for factor in WEAKER if not factor or fits(factor))
