"""The released LTP format (`model_type: "ltp"`): I-BERT names, thresholds among the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ltp_deploy.checkpoint.family import Family, bert_like_names, roberta_like_shape
from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.policy import (
    LayerRule,
    Mode,
    PrunePolicy,
    cascade_rule,
    checked_rule,
)

# The released training script pads every example to this length, and its scores are averages
# over the padded length.
RELEASED_SCORE_LENGTH = 128

_THRESHOLD = "ibert.encoder.layer.{}.attention.self.pruner.keep_threshold"


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("quant_mode"):
        raise CheckpointError(
            "this checkpoint has quant_mode: true (I-BERT integer inference), which is not "
            "supported; train or export it with quant_mode: false"
        )
    return roberta_like_shape(config)


def _policy(config: dict[str, Any], state: Mapping[str, Tensor], layers: int) -> PrunePolicy:
    if config.get("ltp") is not None:  # as we write it; the released code does not
        return PrunePolicy.from_config(config["ltp"], layers)
    mode = config.get("prune_mode")
    if mode is None:
        rules = [LayerRule(Mode.NONE)] * layers
    elif mode in _RULES:
        rules = [_RULES[mode](config, state, i, layers) for i in range(layers)]
    else:
        raise CheckpointError(
            f"unknown prune_mode {mode!r} in config.json; known: {', '.join(_RULES)} and null"
        )
    return PrunePolicy(tuple(rules), score_length=RELEASED_SCORE_LENGTH, keep_first=False)


def _setting(config: dict[str, Any], key: str) -> float:
    for holder in (config, config.get("prune_kwargs") or {}):
        if holder.get(key) is not None:
            value = float(holder[key])
            if not math.isfinite(value):
                raise CheckpointError(f"config.json: {key} must be a finite number, found {value}")
            return value
    raise CheckpointError(f"prune_mode {config['prune_mode']!r} needs `{key}` in config.json")


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
    model_types=("ltp",),
    names={
        **bert_like_names("ibert"),
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    },
    shape=_shape,
    policy=_policy,
)
