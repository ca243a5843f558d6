"""How many tokens are alive after each layer, from any engine: outputs that are added when it is
loaded, and only where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.attention import add_parts, attention_nodes, take_parts

PARTS = ("offsets", "alive")


class AliveCounts:
    """Two outputs more in an `ov.Model`, and what they say.

    A layer that prunes nothing keeps the counts of the one before it, and so does the
    last one where it was compiled for the first tokens alone.

    Args:
        model: changed in place.
        activations: the engine's, "f32" or "bf16".
    """

    def __init__(self, model: Any, activations: str):
        nodes = attention_nodes(model)
        self.layers = len(nodes)
        self.pruning = [i for i, n in enumerate(nodes) if n.get_attributes()["mode"] != "none"]
        if self.pruning:
            add_parts(model, self.pruning, PARTS, activations)

    def read(self, outputs: dict[str, np.ndarray], offsets: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs with "alive", [B, L] int32, in the place of those that were added.

        Args:
            offsets: [B+1] of the request.
        """
        sequences = len(offsets) - 1
        counts = np.empty((sequences, self.layers + 1), np.int32)
        counts[:] = np.diff(offsets)[:, None]
        if self.pruning:
            ends, alive = take_parts(outputs, self.pruning, PARTS)
            before = np.cumsum(ends[:, -1]) - ends[:, -1]  # rows of the layers before each one
            starts = ends[:, :-1] + before[:, None]  # no sequence is ever without a row
            found = np.add.reduceat(alive, starts.ravel()).reshape(starts.shape)
            for row, layer in enumerate(self.pruning):
                counts[:, layer + 1 :] = found[row][:, None]
        return {**outputs, "alive": counts[:, 1:]}
