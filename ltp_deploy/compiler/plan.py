"""What the compiler decides, layer by layer, and why: the plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from ltp_deploy.compiler.cost import GpuCost, Work, dense_time, engine_work
from ltp_deploy.compiler.placement import place
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.flops import LayerFlops, engine_flops
from ltp_deploy.model.policy import Carry, LayerRule, Mode
from ltp_deploy.model.survivors import SurvivorProfile


@dataclass(frozen=True)
class LayerPlan:
    """One layer as it will be built.

    `entering` and `carried` are expected token counts per sequence, None without a profile.
    `flops` are the engine's multiply-adds per sequence at those counts. `work` is what a
    typical request takes by the target's cost model, None where the target has none.
    `precision` is of the matrix products; all else has the plan's `activations`.
    """

    rule: LayerRule
    carry: Carry
    precision: str
    entering: float | None = None
    carried: float | None = None
    flops: LayerFlops | None = None
    work: Work | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds that a typical request takes, None where the target has no cost model."""
        return self.work.seconds if self.work else None

    @property
    def scores(self) -> bool:
        """Whether scores are computed at all: the last layer's cannot reach the answer."""
        return self.rule.prunes and self.carry is not Carry.FIRST


@dataclass(frozen=True)
class Prediction:
    """Times of a typical request on a GPU, in seconds, by the cost model.

    Attributes:
        sequences, tokens: of the request.
        measured: the survivors come from data; otherwise they are assumed.
        seconds: of all layers as planned; `dense`: of the dense model in fp16, unpadded.
    """

    gpu: str
    sequences: int
    tokens: int
    measured: bool
    seconds: float
    dense: float


@dataclass(frozen=True)
class Plan:
    """All decisions of one build.

    Attributes:
        precision: as asked for; of all layers but those that were left out of int8.
        activations: the type of what flows between operators: f32, bf16 or fp16.
        survivors: the engine reports who survived each layer.
        prediction: what the choice rests on, for targets with a cost model.
    """

    layers: tuple[LayerPlan, ...]
    precision: str
    activations: str
    survivors: bool
    prediction: Prediction | None = None

    @property
    def carries(self) -> tuple[Carry, ...]:
        """Which rows each layer hands on."""
        return tuple(layer.carry for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        return {
            "survivors": self.survivors,
            "prediction": asdict(self.prediction) if self.prediction else None,
            "layers": [
                {
                    "rule": str(layer.rule),
                    "carry": layer.carry.name.lower(),
                    "precision": layer.precision,
                    "entering": layer.entering,
                    "carried": layer.carried,
                    "flops": asdict(layer.flops) if layer.flops else None,
                    "seconds": layer.seconds,
                }
                for layer in self.layers
            ],
        }


def make_plan(
    config: EncoderConfig,
    precision: str,
    survivors: bool = False,
    profile: SurvivorProfile | None = None,
    compact: str = "auto",
    gpu: GpuCost | None = None,
    usual_batch: int = 8,
    activations: str = "",
    not_int8: Collection[int] = (),
) -> Plan:
    """Decide everything.

    Args:
        precision: see `Plan`.
        survivors: the engine is to report who survived each layer.
        profile: measured token counts, None if there are none.
        compact: where to remove pruned rows, see `place`.
        gpu: the target's cost model, None where removing rows costs next to nothing.
        usual_batch: sequences of a typical request.
        activations: see `Plan`; "" for those of the precision itself.
        not_int8: layers whose products have the precision of the activations.
    """
    activations = activations or precision
    likely = profile or SurvivorProfile.assumed(config.policy, min(128, config.max_length))
    request = likely.request(usual_batch)
    carries = place(config, compact, survivors, gpu, request)
    layers = [
        LayerPlan(rule, carry, activations if i in not_int8 else precision)
        for i, (rule, carry) in enumerate(zip(config.policy.layers, carries, strict=True))
    ]
    if profile is not None:
        layers = _with_profile(config, layers, profile)
    if gpu is None:
        return Plan(tuple(layers), precision, activations, survivors)
    work = engine_work(gpu, config, request, carries)
    layers = [replace(plan, work=w) for plan, w in zip(layers, work, strict=True)]
    lengths = request.alive[:, 0]
    prediction = Prediction(
        gpu=gpu.name,
        sequences=usual_batch,
        tokens=int(lengths.sum()),
        measured=profile is not None,
        seconds=sum(layer.seconds or 0.0 for layer in layers),
        dense=dense_time(gpu, config, lengths),
    )
    return Plan(tuple(layers), precision, activations, survivors, prediction)


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
