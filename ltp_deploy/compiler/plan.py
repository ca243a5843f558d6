"""What the compiler decides, layer by layer, and why: the plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from ltp_deploy.bundle.plan import LayerRecord, PlanRecord, Prediction
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
    `flops` are the engine's multiply-adds per sequence at those counts. `share` is the part of
    its rows that a typical request hands on, `work` what it takes by the target's cost model, None
    where the target has none.
    `precision` is of the matrix products; all else has the plan's `activations`.
    """

    rule: LayerRule
    carry: Carry
    precision: str
    share: float
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
class Plan:
    """All decisions of one build.

    Attributes:
        precision: as asked for; of all layers but those that were left out of int8.
        activations: the type of what flows between operators: f32, bf16 or fp16.
        survivors: the engine reports which tokens survived each layer.
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

    @property
    def compact(self) -> str:
        """The `compact` option that repeats this plan's compaction."""
        if Carry.BOUNDED in self.carries:
            return "bounded"
        chosen = [str(i) for i, c in enumerate(self.carries) if c is Carry.SURVIVORS]
        return ",".join(chosen) or "none"

    def record(self) -> PlanRecord:
        """What a bundle keeps of the plan."""
        layers = tuple(
            LayerRecord(
                rule=str(layer.rule),
                carry=layer.carry,
                precision=layer.precision,
                entering=layer.entering,
                carried=layer.carried,
                flops=layer.flops,
                seconds=layer.seconds,
            )
            for layer in self.layers
        )
        return PlanRecord(layers, self.prediction)


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is made from.

    Attributes:
        precision: of the matrix products.
        activations: of what flows between operators, "" for the precision itself.
        not_int8: layers whose matrix products have the precision of the activations.
        survivors: the engine is to report which tokens survived each layer.
        compact: where the rows of pruned tokens are removed, see `place`.
        usual_batch: sequences of a typical request.
        profile: measured token counts, None if there are none.
        gpu: the target's cost model, None where compaction costs next to nothing.
    """

    config: EncoderConfig
    precision: str
    activations: str = ""
    not_int8: Collection[int] = ()
    survivors: bool = False
    compact: str = "auto"
    usual_batch: int = 8
    profile: SurvivorProfile | None = None
    gpu: GpuCost | None = None


def make_plan(request: PlanRequest) -> Plan:
    """Decide everything.

    Raises:
        LtpError: the request names layers that cannot be compacted.
    """
    config, activations = request.config, request.activations or request.precision
    assumed = SurvivorProfile.assumed(config.policy, min(128, config.max_length))
    typical = (request.profile or assumed).request(request.usual_batch)
    carries = place(config, request.compact, request.survivors, request.gpu, typical)
    rows = typical.carried(carries).sum(0)
    layers = [
        LayerPlan(
            rule,
            carry,
            activations if i in request.not_int8 else request.precision,
            share=float(rows[i + 1] / rows[i]),
        )
        for i, (rule, carry) in enumerate(zip(config.policy.layers, carries, strict=True))
    ]
    if request.profile is not None:
        layers = _with_profile(config, layers, request.profile)
    prediction = None
    if request.gpu is not None:
        work = engine_work(request.gpu, config, typical, carries)
        layers = [replace(plan, work=w) for plan, w in zip(layers, work, strict=True)]
        seconds = request.gpu.request + sum(w.seconds for w in work)
        prediction = _prediction(request, request.gpu, typical, seconds)
    return Plan(tuple(layers), request.precision, activations, request.survivors, prediction)


def _prediction(
    request: PlanRequest, gpu: GpuCost, typical: SurvivorProfile, seconds: float
) -> Prediction:
    lengths = typical.alive[:, 0]
    return Prediction(
        gpu=gpu.name,
        sequences=request.usual_batch,
        tokens=int(lengths.sum()),
        measured=request.profile is not None,
        seconds=seconds,
        dense=dense_time(gpu, request.config, lengths),
    )


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
