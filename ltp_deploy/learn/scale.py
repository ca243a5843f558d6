"""A policy made stronger or weaker by a factor."""

from __future__ import annotations

from dataclasses import replace

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.data import TaskData
from ltp_deploy.learn.evaluate import evaluate
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy

PRECISION = 0.005  # relative, of a FLOPs ratio
DOUBLINGS = 8
HALVINGS = 10


def rescaled(policy: PrunePolicy, factors: tuple[float, ...]) -> PrunePolicy:
    """The policy with each layer's pruning scaled.

    Thresholds are multiplied; relative ones stay at 1 or below, where only ties with the best
    survive. Of a keep rate, what it drops is multiplied, and a hundredth is always kept.
    """
    rules = []
    for rule, factor in zip(policy.layers, factors, strict=True):
        value = rule.threshold * factor
        if rule.mode is Mode.TOPK:
            value = min(1.0, max(0.01, 1 - (1 - rule.threshold) * factor))
        elif rule.mode is Mode.RELATIVE:
            value = min(1.0, value)
        rules.append(LayerRule(rule.mode, value) if rule.prunes else rule)
    return replace(policy, layers=tuple(rules))


def scaled_to(encoder: Encoder, data: TaskData, flops_ratio: float) -> PrunePolicy:
    """The policy of `encoder` times the one factor for which it saves so many FLOPs on `data`.

    Args:
        flops_ratio: dense work over what is left, by the authors' count; met within half a
            percent, or as closely as keep rates, which round to whole tokens, allow.

    Raises:
        LtpError: the policy prunes nothing, or no factor gives that ratio.
    """
    policy = encoder.config.policy
    if not policy.prunes:
        raise LtpError("a policy that prunes nothing cannot be scaled to a FLOPs ratio")

    def scaled(power: float) -> PrunePolicy:
        return rescaled(policy, (2.0**power,) * len(policy.layers))

    def ratio(power: float) -> float:
        return evaluate(encoder.with_policy(scaled(power)), data).flops_ratio

    found = ratio(0.0)
    # The answer lies between powers of two, `low` and `high`, of which one is 0.
    direction = 1.0 if found < flops_ratio else -1.0
    near, far = 0.0, direction
    while (found := ratio(far)) * direction < flops_ratio * direction:
        if abs(far) == DOUBLINGS:
            raise LtpError(
                f"{flops_ratio:g} times fewer FLOPs cannot be reached by scaling this policy: "
                f"{found:.2f} times is as far as it goes"
            )
        near, far = far, far + direction
    middle = far
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        found = ratio(middle)
        if abs(found / flops_ratio - 1) < PRECISION:
            break
        if found * direction < flops_ratio * direction:
            near = middle
        else:
            far = middle
    return scaled(middle)
