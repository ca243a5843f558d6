"""The released LTP format: I-BERT's names, thresholds among the weights.

Its code called the model type `pibert` before it was `ltp`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ltp_deploy.checkpoint.families.ibert import ARCHITECTURES, NAMES, float_shape
from ltp_deploy.checkpoint.family import Family
from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.policy import (
    LayerRule,
    Mode,
    PrunePolicy,
    cascade_rule,
    checked_rule,
    parse_score_length,
)

# The released training script pads every example to this length, and its scores are averages
# over the padded length.
RELEASED_SCORE_LENGTH = 128

_THRESHOLD = "ibert.encoder.layer.{}.attention.self.pruner.keep_threshold"


def _policy(
    config: dict[str, Any],
    state: Mapping[str, Tensor],
    layers: int,
    stated: int | str | None = None,
) -> PrunePolicy:
    if config.get("ltp") is not None:  # as we write it; the released code does not
        return PrunePolicy.from_config(config["ltp"], layers)
    mode = config.get("prune_mode")
    length = RELEASED_SCORE_LENGTH
    if mode is None or mode is False:  # false is the default of the oldest code
        rules = [LayerRule(Mode.NONE)] * layers
    elif isinstance(mode, str) and mode in _RULES:
        length = _score_length(config, stated)
        rules = [_RULES[mode](config, state, i, layers) for i in range(layers)]
    else:
        raise CheckpointError(
            f"unknown prune_mode {mode!r} in config.json; known: {', '.join(_RULES)} and null"
        )
    return PrunePolicy(tuple(rules), score_length=length, keep_first=False)


def _entry(config: dict[str, Any], key: str) -> Any:
    """A pruning setting; the released code writes it at the top, and into `prune_kwargs`."""
    nested = config.get("prune_kwargs") or {}
    if not isinstance(nested, dict):
        raise CheckpointError(f"config.json: prune_kwargs must be an object, found {nested!r}")
    for holder in (config, nested):
        if holder.get(key) is not None:
            return holder[key]
    return None


def _score_length(config: dict[str, Any], stated: int | str | None) -> int:
    """The denominator that `scoring_mode` means, where that is known."""
    scoring = _entry(config, "scoring_mode")
    if scoring not in (None, "mean", "mean_norm"):
        raise CheckpointError(
            f"unknown scoring_mode {scoring!r} in config.json; known: mean and mean_norm"
        )
    # The other modes compare the scores of a sequence with one another alone.
    if scoring != "mean_norm" or config["prune_mode"] != "absolute_threshold":
        return RELEASED_SCORE_LENGTH
    if stated is None:
        raise CheckpointError(
            "scoring_mode 'mean_norm' divides scores by the sequence's length or by the number of "
            "tokens left, depending on the released code's version and stage, so --score-length "
            "decides: `--score-length sequence` for the sequence's length, or a number of tokens"
        )
    return parse_score_length(stated)


def _setting(config: dict[str, Any], key: str) -> float:
    value = _entry(config, key)
    if value is None:
        raise CheckpointError(f"prune_mode {config['prune_mode']!r} needs `{key}` in config.json")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CheckpointError(f"config.json: {key} must be a finite number, found {value!r}")
    return float(value)


def _absolute(
    config: dict[str, Any], state: Mapping[str, Tensor], layer: int, layers: int
) -> LayerRule:
    name = _THRESHOLD.format(layer)
    if name not in state:
        raise CheckpointError(f"the weights lack {name}, the learned threshold of layer {layer}")
    if state[name].numel() != 1:
        raise CheckpointError(f"{name} must be one number, its shape is {list(state[name].shape)}")
    base = np.float32(_setting(config, "final_token_threshold") * layer / layers)
    theta = base + np.float32(state[name].item())
    if theta == 0:
        return LayerRule(Mode.NONE)
    if not math.isfinite(theta):
        raise CheckpointError(f"{name} is {state[name].item()}; its training has diverged")
    return checked_rule(layer, Mode.ABSOLUTE, float(max(np.float32(1e-5), theta)))


def _relative(
    config: dict[str, Any], state: Mapping[str, Tensor], layer: int, layers: int
) -> LayerRule:
    return checked_rule(layer, Mode.RELATIVE, _setting(config, "token_threshold"))


def _rising(
    config: dict[str, Any], state: Mapping[str, Tensor], layer: int, layers: int
) -> LayerRule:
    final = _setting(config, "final_token_threshold")
    return checked_rule(layer, Mode.RELATIVE, final * layer / layers)


def _top_k(
    config: dict[str, Any], state: Mapping[str, Tensor], layer: int, layers: int
) -> LayerRule:
    rule = cascade_rule(_setting(config, "token_keep_rate"), layer, layers)
    return checked_rule(layer, rule.mode, rule.threshold)


_RULES = {
    "absolute_threshold": _absolute,
    "threshold": _relative,
    "rising_threshold": _rising,
    "topk": _top_k,
}

FAMILY = Family(
    model_types=("ltp", "pibert"),
    names=NAMES,
    shape=float_shape,
    policy=_policy,
    in_transformers=False,
    architectures=ARCHITECTURES,
)
