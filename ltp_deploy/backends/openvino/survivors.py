"""Which tokens are alive after each layer, from any engine: outputs that are added when it is
loaded, and only where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.attention import PARTS, add_parts, attention_nodes, take_parts
from ltp_deploy.model.policy import PrunePolicy


class ReportedSurvivors:
    """Three outputs more in an `ov.Model`, and what they say: what an engine gives that was built
    to report its survivors.

    A last layer that was compiled for the first tokens alone decides again, as in such an engine,
    and hands its survivors on. That reaches no answer, but for the rounding of its matrix products,
    which take more rows, and a request takes longer.

    Args:
        model: changed in place.
        activations: the engine's, "f32" or "bf16".
        policy: that is in force, the dial included.
    """

    def __init__(self, model: Any, activations: str, policy: PrunePolicy):
        node, last = attention_nodes(model)[-1], policy.layers[-1]
        self.pruning = [i for i, rule in enumerate(policy.layers) if rule.prunes]
        if node.get_attributes()["carry"] == "first" and last.prunes:
            node.set_attribute("mode", last.mode.name.lower())
            node.set_attribute("threshold", last.threshold)
            node.set_attribute("carry", "survivors")
            model.validate_nodes_and_infer_types()
        if self.pruning:
            add_parts(model, self.pruning, PARTS, activations)

    def read(self, outputs: dict[str, np.ndarray], offsets: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs with `survivors.<layer>.<part>` in the place of those that were added.

        Args:
            offsets: [B+1] of the request.
        """
        if not self.pruning:
            return outputs
        kept, ends, alive = take_parts(outputs, self.pruning, PARTS)
        borders = np.cumsum(ends[:, -1])[:-1]  # between the rows of two layers
        values = zip(np.split(kept, borders), ends, np.split(alive, borders), strict=True)
        for layer, found in zip(self.pruning, values, strict=True):
            outputs |= {
                f"survivors.{layer}.{part}": value for part, value in zip(PARTS, found, strict=True)
            }
        return outputs
