"""What the parts of a torch-cuda engine read and write, at fixed addresses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ltp_deploy.backends.torch_cuda.in_place import NEXT, UNKNOWN, wait_for


class Buffers:
    """Requests and answers, on the host and on the device, and two places for each name of
    `ltp_deploy.backends.torch_cuda.segments.STATE`, which parts read and write in turn.

    Args:
        inputs: names of the engine's.
        rows, sequences: of the largest request. hidden: columns of what goes from part to part.
    """

    def __init__(
        self, inputs: list[str], rows: int, sequences: int, hidden: int, device: torch.device
    ):
        self._pinned = device.type == "cuda"
        self._inputs = inputs
        self._most = max(rows, sequences + 1)
        whole = len(inputs) * self._most
        self._request = torch.zeros(whole, dtype=torch.int32, device=device)
        self._host_request = self._host(whole, dtype=torch.int32)
        count = self._host(1, dtype=torch.int32)
        lengths = torch.zeros(sequences, dtype=torch.int32, device=device)

        def state() -> dict[str, Tensor]:
            sizes = {"kept": rows, "alive": rows, "offsets": sequences + 1}
            values = torch.zeros(2, rows, hidden, dtype=torch.float16, device=device)
            return {
                **{n: torch.zeros(s, dtype=torch.int32, device=device) for n, s in sizes.items()},
                **dict(zip(("context", "residual"), values, strict=True)),
                "lengths": lengths,
                "count": count,
            }

        self._state = (state(), state())
        self._rows_left = count.numpy()
        self._answers: dict[str, Tensor] = {}

    def _host(self, *size: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(size, dtype=dtype, pin_memory=self._pinned)

    def fill(self, feeds: Mapping[str, np.ndarray], rows: int, sequences: int) -> None:
        """Have a request ready for `upload`; what fills it up to these sizes are rows of token 0
        that belong to nobody, and sequences without rows."""
        request = self._host_request.numpy()
        for name, place in self._places(rows, sequences).items():
            values, part = feeds[name], request[place]
            part[: len(values)] = values
            part[len(values) :] = values[-1] if name == "offsets" else 0

    def upload(self, rows: int, sequences: int) -> None:
        """Copy the request to the device; nothing is waited for."""
        size = max(place.stop for place in self._places(rows, sequences).values())
        self._request[:size].copy_(self._host_request[:size], non_blocking=True)

    def _places(self, rows: int, sequences: int) -> dict[str, slice]:
        """Of the inputs in a request: one behind the other, so that one copy does."""
        sizes = [sequences + 1 if name == "offsets" else rows for name in self._inputs]
        ends = accumulate(sizes)
        return {n: slice(e - s, e) for n, s, e in zip(self._inputs, sizes, ends, strict=True)}

    def given(self, names: list[str], part: int, rows: int, sequences: int) -> list[Tensor]:
        """The inputs of a part by its number; `NEXT` before the name of what it writes."""
        places = self._places(rows, sequences) if part == 0 else {}
        return [
            self._request[places[name]]
            if name in places
            else self._view(name, part, rows, sequences)
            for name in names
        ]

    def _view(self, name: str, part: int, rows: int, sequences: int) -> Tensor:
        writes, kind = name.startswith(NEXT), name.removeprefix(NEXT)
        buffer = self._state[(part + writes) % 2][kind]
        if kind == "count" or (kind == "residual" and not writes):
            return buffer  # `kept` may choose any row of the residual
        return buffer[: {"offsets": sequences + 1, "lengths": sequences}.get(kind, rows)]

    def forget_rows_left(self) -> None:
        """To be called before a part runs."""
        self._rows_left[0] = UNKNOWN

    def rows_left(self, stream: torch.cuda.Stream | None) -> int:
        """How many the part that was run last leaves: it says so before it moves them."""
        return wait_for(self._rows_left, stream)

    def download(self, found: Mapping[str, Tensor]) -> None:
        """Copy outputs to the host; nothing is waited for."""
        for name, value in found.items():
            if name not in self._answers:  # of whatever size, since addresses stay
                size = (self._most, *value.shape[1:])
                self._answers[name] = self._host(*size, dtype=value.dtype)
            self._answers[name][: len(value)].copy_(value, non_blocking=True)

    def answers(self, sequences: int) -> dict[str, np.ndarray]:
        """What was downloaded, without the rows and sequences that only fill a request up."""
        found = {name: value.numpy() for name, value in self._answers.items()}
        return {name: _trimmed(name, found, sequences).copy() for name in found}


def _trimmed(name: str, answers: Mapping[str, np.ndarray], sequences: int) -> np.ndarray:
    if name == "logits":
        return answers[name][:sequences]
    layer, _, part = name.rpartition(".")
    offsets = answers[f"{layer}.offsets"][: sequences + 1]
    return offsets if part == "offsets" else answers[name][: offsets[-1]]
