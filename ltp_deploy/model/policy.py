"""What a trained LTP model decides, layer by layer: the pruning policy."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar, Literal

from ltp_deploy.errors import CheckpointError, LtpError


class Mode(enum.IntEnum):
    """How a layer turns token scores into survivors."""

    NONE = 0
    ABSOLUTE = 1  # score / (heads * D) < threshold is pruned
    RELATIVE = 2  # score / max score < threshold is pruned
    TOPK = 3  # round(original length * rate) highest scores survive


class Carry(enum.IntEnum):
    """Which rows a layer hands to the next one."""

    ALL = 0  # every row; those of pruned tokens are only marked as not alive
    SURVIVORS = 1  # compaction
    FIRST = 2  # the first row of each sequence: all that the classifier reads
    BOUNDED = 3  # the survivors' rows, at the front of as many rows as came in


@dataclass(frozen=True)
class LayerRule:
    """One layer's rule. `threshold` is theta, the ratio, or the keep rate, by mode."""

    mode: Mode
    threshold: float = 0.0

    @property
    def prunes(self) -> bool:
        """False where the rule keeps every token whatever the scores are."""
        if self.mode is Mode.NONE:
            return False
        if self.mode is Mode.TOPK:
            return self.threshold != 1.0
        return self.threshold > 0.0

    def scaled(self, factor: float) -> LayerRule:
        """The rule with its pruning made stronger (above 1) or weaker; 0 prunes nothing.

        A threshold is multiplied by the factor. A relative one stays at 1 or below, where only the
        tokens with the best score are kept. Of a keep rate, the share that it prunes is multiplied,
        and a hundredth of the tokens is always kept.
        """
        if not self.prunes or factor == 1:
            return self
        value = self.threshold * factor
        if self.mode is Mode.TOPK:
            value = min(1.0, max(0.01, 1 - (1 - self.threshold) * factor))
        elif self.mode is Mode.RELATIVE:
            value = min(1.0, value)
        return LayerRule(self.mode, value)

    def __str__(self) -> str:
        return f"{self.mode.name.lower()} {self.threshold:.6g}" if self.prunes else "none"


def cascade_rule(keep_rate: float, layer: int, layers: int, spared: int = 3) -> LayerRule:
    """A layer of SpAtten's cascade, as the released LTP code has it: the first `spared` layers, or
    15 % of them where that is more, keep all; after them keep rates fall linearly to
    `keep_rate`."""
    first = max(spared, math.ceil(0.15 * layers))
    if layer < first:
        return LayerRule(Mode.NONE)
    slope = (keep_rate - 1) / (layers - first)
    return LayerRule(Mode.TOPK, max(0.01, 1 + slope * (layer - first + 1)))


@dataclass(frozen=True)
class PolicyRecord:
    """A policy as manifests hold it, its two conventions in words."""

    layers: tuple[LayerRule, ...]
    score_length: int | Literal["sequence"]
    first_token: Literal["keep", "reference"]


@dataclass(frozen=True)
class PrunePolicy:
    """The pruning part of a model: one rule per layer and two conventions.

    Attributes:
        layers: one rule per encoder layer.
        score_length: the score denominator D in tokens, or 0 for "sequence" (each sequence's own
            length, the definition in the LTP paper).
        keep_first: True if the first token is never pruned; False reproduces the released code,
            which may prune it.
    """

    layers: tuple[LayerRule, ...]
    score_length: int = 0
    keep_first: bool = True

    RECORD: ClassVar = PolicyRecord

    @classmethod
    def dense(cls, layers: int) -> PrunePolicy:
        """The policy that prunes nothing."""
        return cls((LayerRule(Mode.NONE),) * layers)

    @property
    def prunes(self) -> bool:
        return any(rule.prunes for rule in self.layers)

    def scaled(self, factor: float) -> PrunePolicy:
        """The policy with every layer's pruning made stronger or weaker, see `LayerRule.scaled`."""
        return replace(self, layers=tuple(rule.scaled(factor) for rule in self.layers))

    def to_config(self) -> dict[str, Any]:
        """The `ltp` entry of a checkpoint's config.json."""
        return {
            "layers": [
                {"mode": r.mode.name.lower(), "threshold": r.threshold} for r in self.layers
            ],
            "score_length": self.score_length or "sequence",
            "first_token": "keep" if self.keep_first else "reference",
        }

    def to_record(self) -> PolicyRecord:
        """What manifests hold."""
        return PolicyRecord(
            self.layers, self.score_length or "sequence", "keep" if self.keep_first else "reference"
        )

    @classmethod
    def from_record(cls, record: PolicyRecord) -> PrunePolicy:
        """What `to_record` gave.

        Raises:
            CheckpointError: a value out of its range.
        """
        return cls(
            tuple(checked_rule(i, r.mode, r.threshold) for i, r in enumerate(record.layers)),
            score_length=parse_score_length(record.score_length),
            keep_first=record.first_token == "keep",
        )

    @classmethod
    def from_config(cls, config: dict[str, Any], layers: int) -> PrunePolicy:
        """Read the `ltp` entry of config.json.

        Two spellings are accepted: `{"layers": [{"mode", "threshold"}, ...]}`, or, where one mode
        holds for all layers, `{"mode": ..., "thresholds": [...]}` with null for a layer that does
        not prune. Both may carry `score_length` and `first_token`.

        Raises:
            CheckpointError: an unknown mode, a wrong number of layers, a bad value.
        """
        entries = _entries(config)
        if len(entries) != layers:
            raise CheckpointError(
                f"the `ltp` entry of config.json describes {len(entries)} layers, "
                f"but the model has {layers}"
            )
        rules = tuple(_rule(i, mode, value) for i, (mode, value) in enumerate(entries))
        return cls(
            rules,
            score_length=parse_score_length(config.get("score_length", "sequence")),
            keep_first=parse_first_token(config.get("first_token", "keep")),
        )

    def override(
        self, score_length: int | str | None = None, first_token: str | None = None
    ) -> PrunePolicy:
        """This policy with a convention replaced by hand (None leaves it)."""
        policy = self
        if score_length is not None:
            policy = replace(policy, score_length=parse_score_length(score_length))
        if first_token is not None:
            policy = replace(policy, keep_first=parse_first_token(first_token))
        return policy


def _entries(config: Any) -> list[tuple[Any, Any]]:
    """(mode, threshold) of each layer, from either spelling."""
    if isinstance(config, dict):
        layers, thresholds = config.get("layers"), config.get("thresholds")
        if isinstance(layers, list) and all(isinstance(e, dict) for e in layers):
            return [(e.get("mode"), e.get("threshold", 0.0)) for e in layers]
        if isinstance(thresholds, list) and "mode" in config:
            return [(config["mode"], t) if t is not None else ("none", 0.0) for t in thresholds]
    raise CheckpointError(
        "the `ltp` entry of config.json needs `layers`, a list of {mode, threshold}, "
        f"or `mode` and `thresholds`; found {config!r}"
    )


def _rule(layer: int, mode: Any, value: Any) -> LayerRule:
    try:
        parsed = Mode[str(mode).upper()]
    except KeyError:
        known = ", ".join(m.name.lower() for m in Mode)
        raise CheckpointError(
            f"layer {layer}: unknown prune mode {mode!r}; known modes: {known}"
        ) from None
    return checked_rule(layer, parsed, value)


def checked_rule(layer: int, mode: Mode, value: Any) -> LayerRule:
    """A rule whose threshold is known to be a usable number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CheckpointError(
            f"layer {layer}: the threshold must be a finite number, found {value!r}; "
            "the checkpoint's training has probably diverged"
        )
    if mode is Mode.TOPK and not 0.0 <= value <= 1.0:
        raise CheckpointError(f"layer {layer}: the keep rate must lie in 0..1, found {value}")
    return LayerRule(mode, float(value))


def pruning_factor(value: bool | float) -> float:
    """The factor that `pruning=` asks for: True is 1, False is 0.

    Raises:
        LtpError: no number, or one that is negative or infinite.
    """
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, Real) or not (0 <= value < math.inf):
        raise LtpError(
            f"pruning must be True, False, or a factor from 0 on for the thresholds, found "
            f"{value!r}"
        )
    return float(value)


def parse_score_length(value: int | str) -> int:
    """`"sequence"` -> 0; a positive integer stays."""
    if value == "sequence":
        return 0
    try:
        length = int(value)
    except (TypeError, ValueError, OverflowError):  # of infinity
        length = 0
    part = isinstance(value, float) and length != value
    if length <= 0 or isinstance(value, bool) or part:
        raise CheckpointError(
            f"score_length must be a positive integer or 'sequence', found {value!r}"
        )
    return length


def parse_first_token(value: str) -> bool:
    if value not in ("keep", "reference"):
        raise CheckpointError(f"first_token must be 'keep' or 'reference', found {value!r}")
    return value == "keep"
