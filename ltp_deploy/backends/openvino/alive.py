"""How many tokens are alive after each layer, from any engine: outputs that are added when it is
loaded, and only where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.dial import attention_nodes
from ltp_deploy.backends.openvino.integers import add_integers, read_integers

ALIVE, OFFSETS = "alive.rows", "alive.offsets"


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
        if not self.pruning:
            return
        offsets, alive = ([nodes[i].output(port) for i in self.pruning] for port in (2, 3))
        add_integers(model, ALIVE, alive, activations, small=True)
        add_integers(model, OFFSETS, offsets, activations)

    def read(self, outputs: dict[str, np.ndarray], offsets: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs with "alive", [B, L] int32, in the place of those that were added.

        Args:
            offsets: [B+1] of the request.
        """
        sequences = len(offsets) - 1
        counts = np.empty((sequences, self.layers + 1), np.int32)
        counts[:] = np.diff(offsets)[:, None]
        if self.pruning:
            alive, ends = read_integers(outputs.pop(ALIVE)), read_integers(outputs.pop(OFFSETS))
            ends = ends.reshape(len(self.pruning), sequences + 1)
            before = np.cumsum(ends[:, -1]) - ends[:, -1]  # rows of the layers before each one
            starts = ends[:, :-1] + before[:, None]  # no sequence is ever without a row
            found = np.add.reduceat(alive, starts.ravel()).reshape(starts.shape)
            for row, layer in enumerate(self.pruning):
                counts[:, layer + 1 :] = found[row][:, None]
        return {**outputs, "alive": counts[:, 1:]}
