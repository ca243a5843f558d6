"""The probabilities above which a model's labels hold, from config.json or from a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from ltp_deploy.errors import CheckpointError
from ltp_deploy.heads import HEADS
from ltp_deploy.heads.multi_label import HALF, MultiLabel
from ltp_deploy.heads.naming import by_name, by_number
from ltp_deploy.model.config import EncoderConfig

KEY = "label_thresholds"  # in config.json: {name: 0.3, ...}, or a list with one for each output
LabelThresholds = Mapping[str, float] | Sequence[float]


def with_thresholds(config: EncoderConfig, given: Any, where: str) -> EncoderConfig:
    """The model with other thresholds of labels.

    Args:
        config: of a model that gives any number of labels.
        given: `LabelThresholds`. By the labels' names, or their numbers where the model knows no
            names: labels that are left out keep their threshold. Or one for each output in order.
            An empty list stands for a half each.
        where: what states them, for messages.

    Raises:
        CheckpointError: anything else, by name; or a model of another kind.
    """
    if not isinstance(given, Mapping | list | tuple):
        raise CheckpointError(
            f"{where} must be an object {{name: 0.3, ...}}, or a list with a threshold for each "
            f"label, found {given!r}"
        )
    if not given and not isinstance(given, Mapping):
        return replace(config, label_thresholds=())
    if config.head != MultiLabel.name:
        raise CheckpointError(
            f"{where} is for models that give any number of labels (problem_type "
            f"{MultiLabel.problem_type}), and this one gives {HEADS[config.head].noun}"
        )
    if isinstance(given, Mapping):
        found = list(MultiLabel(config).thresholds)
        for output, threshold in _by_output(given, config, where).items():
            found[output] = threshold
    else:
        found = [_probability(value, f"output {i}", where) for i, value in enumerate(given)]
        if len(found) != config.num_labels:
            raise CheckpointError(
                f"{where} has {len(found)} thresholds, but the classifier has {config.num_labels} "
                "outputs; give one for each, or name those that are not a half"
            )
    usual = all(threshold == HALF for threshold in found)
    return replace(config, label_thresholds=() if usual else tuple(found))


def to_config(config: EncoderConfig) -> dict[str, Any]:
    """What config.json says of a model's thresholds, by name where it knows names."""
    thresholds = config.label_thresholds
    if not thresholds:
        return {}
    named = dict(zip(config.labels, thresholds, strict=True)) if config.labels else None
    return {KEY: named or list(thresholds)}


def _by_output(given: Mapping[Any, Any], config: EncoderConfig, where: str) -> dict[int, float]:
    """The thresholds by the outputs' numbers."""
    name, number = by_name(config), by_number(config)
    found: dict[int, float] = {}
    for label, threshold in given.items():
        output = name(label)
        if output is None and not config.labels:
            output = number(label)
        if output is None:
            known = ", ".join(config.labels) or f"0 to {config.num_labels - 1}"
            raise CheckpointError(f"{where} names {label!r}, the model's labels are {known}")
        if output in found:
            raise CheckpointError(f"{where} has two thresholds for output {output}, {label!r}")
        found[output] = _probability(threshold, repr(label), where)
    return found


def _probability(value: Any, label: str, where: str) -> float:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < 1:
        raise CheckpointError(
            f"{where}: the threshold of {label} must be a probability between 0 and 1, found "
            f"{value!r}"
        )
    return float(value)
