"""Stronger or weaker pruning in an engine that is compiled already."""

from __future__ import annotations

from typing import Any

from ltp_deploy.backends.openvino.attention import attention_nodes
from ltp_deploy.model.policy import PrunePolicy


def scale_thresholds(model: Any, policy: PrunePolicy, factor: float) -> None:
    """Multiply the pruning of an `ov.Model` in place, see `LayerRule.scaled`.

    A layer that was compiled without pruning stays so: what the policy says of it cannot reach the
    answer.

    Args:
        policy: that the model was compiled with.
    """
    for node, rule in zip(attention_nodes(model), policy.layers, strict=True):
        if node.get_attributes()["mode"] != "none":
            node.set_attribute("threshold", rule.scaled(factor).threshold)
    model.validate_nodes_and_infer_types()
