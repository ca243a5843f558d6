"""What a bundle records of the plan that it was built by."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.model.flops import LayerFlops
from ltp_deploy.model.policy import Carry


@dataclass(frozen=True)
class Prediction:
    """Times of a typical request on a GPU, in seconds, by the cost model.

    Attributes:
        sequences, tokens: of the request.
        measured: the survivors come from data; otherwise they are assumed.
        seconds: of the engine as planned.
        dense: of the dense model in the same precision, without padding.
    """

    gpu: str
    sequences: int
    tokens: int
    measured: bool
    seconds: float
    dense: float


@dataclass(frozen=True)
class LayerRecord:
    """One layer as it was built.

    Attributes:
        rule: the pruning rule, in words.
        carry: which rows the layer hands to the next one.
        precision: of its matrix products.
        entering, carried: expected tokens of a sequence before and after the layer, and `flops`
            the multiply-adds they take; None where nothing was measured.
        seconds: predicted for a typical request, None where the target has no cost model.
    """

    rule: str
    carry: Carry
    precision: str
    entering: float | None
    carried: float | None
    flops: LayerFlops | None
    seconds: float | None


@dataclass(frozen=True)
class PlanRecord:
    """All layers, and what the choice of their carries rests on."""

    layers: tuple[LayerRecord, ...]
    prediction: Prediction | None

    @property
    def carries(self) -> tuple[Carry, ...]:
        """Which rows each layer hands to the next one."""
        return tuple(layer.carry for layer in self.layers)
