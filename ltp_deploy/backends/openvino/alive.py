"""How many tokens are alive after each layer, from any engine: outputs that are added when it is
loaded, and only where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.openvino.dial import attention_nodes

ALIVE, OFFSETS = "alive.rows", "alive.offsets"
_DIGITS = 3  # of base 256: bf16 holds integers exactly up to 256


class AliveCounts:
    """Two outputs more in an `ov.Model`, and what they say.

    Each pruning layer's rows and offsets come out one layer after another: a copy for each would
    take longer. A layer that prunes nothing keeps the counts of the one before it, and so does the
    last one where it was compiled for the first tokens alone.

    In a bf16 engine the outputs are bf16 as well, and offsets come in digits. Behind outputs of
    another type OpenVINO would compute in f32, from the last matrix product of its own on, which
    here is the beginning: another speed and other answers.

    Args:
        model: changed in place.
        activations: the engine's, "f32" or "bf16".
    """

    def __init__(self, model: Any, activations: str):
        from openvino import opset13 as ops

        nodes = attention_nodes(model)
        self.layers = len(nodes)
        self.pruning = [i for i, n in enumerate(nodes) if n.get_attributes()["mode"] != "none"]
        if not self.pruning:
            return
        offsets, alive = (
            ops.concat([nodes[i].output(port) for i in self.pruning], 0) for port in (2, 3)
        )
        if activations == "bf16":
            alive, offsets = ops.convert(alive, "bf16"), ops.convert(_digits(offsets), "bf16")
        for node, name in ((alive, ALIVE), (offsets, OFFSETS)):
            result = ops.result(node)
            result.output(0).get_tensor().set_names({name})
            model.add_results([result])

    def read(self, outputs: dict[str, np.ndarray], offsets: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs with "alive", [B, L] int32, in the place of those that were added.

        Args:
            offsets: [B+1] of the request.
        """
        sequences = len(offsets) - 1
        counts = np.empty((sequences, self.layers + 1), np.int32)
        counts[:] = np.diff(offsets)[:, None]
        if self.pruning:
            alive, ends = _integers(outputs.pop(ALIVE)), _integers(outputs.pop(OFFSETS))
            if ends.ndim == 2:
                ends = (ends << 8 * np.arange(_DIGITS)[:, None]).sum(0)
            ends = ends.reshape(len(self.pruning), sequences + 1)
            before = np.cumsum(ends[:, -1]) - ends[:, -1]  # rows of the layers before each one
            starts = ends[:, :-1] + before[:, None]  # no sequence is ever without a row
            found = np.add.reduceat(alive, starts.ravel()).reshape(starts.shape)
            for row, layer in enumerate(self.pruning):
                counts[:, layer + 1 :] = found[row][:, None]
        return {**outputs, "alive": counts[:, 1:]}


def _digits(offsets: Any) -> Any:
    """[3, N] int32: the digits of integers [N], the lowest first."""
    from openvino import opset13 as ops

    digits, axis = [], ops.constant(np.array([0], np.int32))
    for _ in range(_DIGITS):
        digits.append(ops.unsqueeze(ops.mod(offsets, np.int32(256)), axis))
        offsets = ops.divide(offsets, np.int32(256))
    return ops.concat(digits, 0)


def _integers(values: np.ndarray) -> np.ndarray:
    """What an output holds; NumPy has no bf16, so that OpenVINO gives its bits as float16."""
    if values.dtype == np.float16:
        values = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.int64)
