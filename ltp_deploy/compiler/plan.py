"""What the compiler decides, layer by layer, and why: the plan."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ltp_deploy.config import EncoderConfig
from ltp_deploy.pruning.flops import LayerFlops, engine_flops
from ltp_deploy.pruning.policy import Carry, LayerRule, Mode
from ltp_deploy.pruning.profile import SurvivorProfile


@dataclass(frozen=True)
class LayerPlan:
    """One layer as it will be built.

    `entering` and `carried` are expected token counts per sequence, None without a profile.
    `flops` are the engine's multiply-adds per sequence at those counts.
    """

    rule: LayerRule
    carry: Carry
    precision: str
    entering: float | None = None
    carried: float | None = None
    flops: LayerFlops | None = None

    @property
    def scores(self) -> bool:
        """Whether scores are computed at all: the last layer's cannot reach the answer."""
        return self.rule.prunes and self.carry is not Carry.FIRST


@dataclass(frozen=True)
class Plan:
    """All decisions of one build. `survivors`: the engine reports who survived each layer."""

    layers: tuple[LayerPlan, ...]
    survivors: bool

    @property
    def carries(self) -> tuple[Carry, ...]:
        """Which rows each layer hands on."""
        return tuple(layer.carry for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        return {
            "survivors": self.survivors,
            "layers": [
                {
                    "rule": str(layer.rule),
                    "carry": layer.carry.name.lower(),
                    "precision": layer.precision,
                    "entering": layer.entering,
                    "carried": layer.carried,
                    "flops": asdict(layer.flops) if layer.flops else None,
                }
                for layer in self.layers
            ],
        }


def make_plan(
    config: EncoderConfig,
    precision: str,
    survivors: bool = False,
    profile: SurvivorProfile | None = None,
) -> Plan:
    """Decide where to compact, for a target on which compaction is nearly free (a CPU).

    Every layer that prunes compacts. The last layer carries only the first tokens, which are all
    that the classifier reads, unless the survivors themselves were asked for.
    """
    last = config.layers - 1
    plans = []
    for i, rule in enumerate(config.policy.layers):
        carry = Carry.SURVIVORS if rule.prunes else Carry.ALL
        if i == last and not survivors:
            carry = Carry.FIRST
        plans.append(LayerPlan(rule, carry, precision))
    if profile is not None:
        plans = _with_profile(config, plans, profile)
    return Plan(tuple(plans), survivors)


def _with_profile(
    config: EncoderConfig, plans: list[LayerPlan], profile: SurvivorProfile
) -> list[LayerPlan]:
    carries = tuple(plan.carry for plan in plans)
    counts = profile.carried(carries)
    flops = engine_flops(config, counts, carries)
    means = counts.mean(0)
    return [
        replace(plan, entering=float(means[i]), carried=float(means[i + 1]), flops=flops[i])
        for i, plan in enumerate(plans)
    ]


def lowered_rule(layer: LayerPlan) -> LayerRule:
    """The rule as it goes into the graph: none where no score is needed."""
    return layer.rule if layer.scores else LayerRule(Mode.NONE)
