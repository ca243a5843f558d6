"""A policy made stronger or weaker by a factor."""

from __future__ import annotations

from collections.abc import Callable

from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.progress import Progress
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import evaluate

PRECISION = 0.005  # relative, of a FLOPs ratio
DOUBLINGS = 8  # of the factor, or halvings of it, before the ratio counts as out of reach
HALVINGS = 10  # of the interval between two such factors


class OutOfReach(LtpError):
    """A FLOPs ratio that no factor gives."""


def scaled_to(encoder: Encoder, data: TaskData, flops_ratio: float) -> PrunePolicy:
    """The policy of `encoder` scaled by the one factor that gives a FLOPs ratio on `data`.

    Args:
        encoder: a model that prunes.
        data: what the ratio is counted on; how its labels are answered does not matter.
        flops_ratio: multiply-adds without pruning over those with it, by the authors' count. It
            is met within half a percent, or as closely as keep rates, which round to whole
            tokens, allow.

    Raises:
        OutOfReach: the policy prunes nothing, or no factor gives that ratio.
    """
    policy = encoder.config.policy
    if not policy.prunes:
        raise OutOfReach("a policy that prunes nothing cannot be scaled to a FLOPs ratio")

    def scaled(power: float) -> PrunePolicy:
        return policy.scaled(2.0**power)

    def ratio(power: float) -> float:
        found = evaluate(encoder.with_policy(scaled(power)), data).flops_ratio
        progress.tell(fewer_FLOPs=f"{found:.2f}x of {flops_ratio:g}x")
        progress.update()
        return found

    with Progress("scale", unit="factor") as progress:
        low, high = _bracket(ratio, flops_ratio)
        return scaled(_bisected(ratio, flops_ratio, low, high))


def _bracket(ratio: Callable[[float], float], wanted: float) -> tuple[float, float]:
    """The two neighbouring whole powers between which a ratio that rises passes `wanted`."""
    direction = 1.0 if ratio(0.0) < wanted else -1.0
    near, far = 0.0, direction
    while (found := ratio(far)) * direction < wanted * direction:
        if abs(far) == DOUBLINGS:
            raise OutOfReach(
                f"{wanted:g} times fewer FLOPs cannot be reached by scaling this policy: "
                f"{found:.2f} times is as far as it goes"
            )
        near, far = far, far + direction
    return min(near, far), max(near, far)


def _bisected(ratio: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """The power between `low` and `high` at which the ratio is nearly `wanted`."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = ratio(middle)
        if abs(found / wanted - 1) < PRECISION:
            break
        if found < wanted:
            low = middle
        else:
            high = middle
    return middle
