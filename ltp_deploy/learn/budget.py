"""A budget in points of the score, held on data that nobody was trained on.

The factor by which a policy is scaled is chosen on all of the data. What it costs is estimated by
cross-validation: each tenth of the texts counts with its answers under the factor that the other
nine tenths choose. So all of the data judges, and no text judges what was chosen on it. Texts that
are judged together, such as a query's passages, are in the same tenth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from itertools import takewhile

import numpy as np

from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.progress import Progress
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.forward import Run, by_policy
from ltp_deploy.tune.search import MARGIN, Estimate, Judge

PARTS = 10
WEAKER = (0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25, 0.0)
STRONGER = (1.1, 1.2, 1.4, 1.7, 2.0, 2.5)
SPARE = 1.0  # as `MARGIN`, for more pruning than the weights were trained with


def tenths(data: TaskData, config: EncoderConfig, seed: int) -> np.ndarray:
    """[N] integers, the random tenth that each text is in, the same for all texts of a unit.

    Raises:
        LtpError: there are too few texts, or the metric is undefined without one of the tenths.
    """
    names, unit = np.unique(data.units, return_inverse=True)
    units = len(names)
    if units < 2:
        texts = "text" if units == len(data) else "query"
        raise LtpError(f"a budget of points needs more than one {texts} to judge on")
    head = head_of(config)
    metric = data.metric or head.usual_metric(data.labels)
    parts: np.ndarray = (np.random.default_rng(seed).permutation(units) % min(PARTS, units))[unit]
    for part in range(parts.max() + 1):
        labels = data.labels[parts != part]
        head.score(np.zeros((len(labels), config.num_labels)), labels, metric)
    return parts


def strongest(policy: PrunePolicy, judge: Judge, parts: np.ndarray) -> tuple[PrunePolicy, Estimate]:
    """The most pruning inside the budget.

    Args:
        policy: what the weights were trained with.
        judge: of these weights, made before they were trained: drops count from what they
            answered then.
        parts: of its data, see `tenths`.

    Returns:
        The policy times a factor, and what it is estimated to cost.
    """
    with Progress("budget", unit="policy") as progress:

        @cache
        def run(factor: float) -> Run:
            found = judge.forward.run(by_policy(policy.scaled(factor)))
            progress.update()
            return found

        def fits(texts: np.ndarray, factor: float) -> bool:
            drop, error = judge.drop_on(texts, run(factor).logits)
            return judge.inside(drop, error, SPARE if factor > 1.0 else MARGIN)

        answers = np.empty_like(judge.unpruned)
        for part in range(parts.max() + 1):
            mine = parts == part
            answers[mine] = run(largest(partial(fits, ~mine))).logits[mine]
        factor = largest(partial(fits, parts >= 0))
        estimate = judge.estimate_of(answers, run(factor).profile)
    return policy.scaled(factor), estimate


def largest(fits: Callable[[float], bool]) -> float:
    """The factor at the end of a walk from 1: up as long as factors fit, or where 1 does not fit,
    down to the first one that does. A factor of 0 has to be taken."""
    if fits(1.0):
        return max(takewhile(fits, STRONGER), default=1.0)
    return next(factor for factor in WEAKER if not factor or fits(factor))
