"""Which tokens are alive after each layer, from any engine: outputs that are added when it is
loaded, and only where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.dial import attention_nodes
from ltp_deploy.backends.openvino.integers import add_integers, read_integers
from ltp_deploy.model.policy import PrunePolicy

PARTS = ("kept", "offsets", "alive")  # the attention's results 1, 2 and 3


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
        nodes, last = attention_nodes(model), policy.layers[-1]
        self.pruning = [i for i, rule in enumerate(policy.layers) if rule.prunes]
        if nodes[-1].get_attributes()["carry"] == "first" and last.prunes:
            nodes[-1].set_attribute("mode", last.mode.name.lower())
            nodes[-1].set_attribute("threshold", last.threshold)
            nodes[-1].set_attribute("carry", "survivors")
            model.validate_nodes_and_infer_types()
        if not self.pruning:
            return
        for port, part in enumerate(PARTS, 1):
            values = [nodes[i].output(port) for i in self.pruning]
            add_integers(model, part, values, activations, small=part == "alive")

    def read(self, outputs: dict[str, np.ndarray], offsets: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs with `survivors.<layer>.<part>` in the place of those that were added.

        Args:
            offsets: [B+1] of the request.
        """
        if not self.pruning:
            return outputs
        kept, ends, alive = (read_integers(outputs.pop(part)) for part in PARTS)
        ends = ends.reshape(len(self.pruning), len(offsets))
        borders = np.cumsum(ends[:, -1])[:-1]  # between the rows of two layers
        values = zip(np.split(kept, borders), ends, np.split(alive, borders), strict=True)
        for layer, found in zip(self.pruning, values, strict=True):
            outputs |= {
                f"survivors.{layer}.{part}": value for part, value in zip(PARTS, found, strict=True)
            }
        return outputs
