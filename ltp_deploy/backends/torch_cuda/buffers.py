"""The memory that the segments of a torch-cuda engine read and write, at fixed addresses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ltp_deploy.backends.answers import without_padding
from ltp_deploy.backends.torch_cuda.in_place import NEXT, UNKNOWN, host_sync


class Buffers:
    """Memory for one request and its answers, on the host and on the device.

    There are two buffers for each name of `STATE` in `segments`: a segment reads one and writes the
    other, and the next segment the other way round.

    Args:
        inputs: names of the engine's inputs.
        rows: tokens of the largest request, padding included.
        sequences: of the largest request.
        columns: of the context and of the residual, by these names.
        device: where segments run; with "cuda" the host's memory is pinned.
    """

    def __init__(
        self,
        inputs: list[str],
        rows: int,
        sequences: int,
        columns: Mapping[str, int],
        device: torch.device,
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
            return {
                **{n: torch.zeros(s, dtype=torch.int32, device=device) for n, s in sizes.items()},
                **{
                    n: torch.zeros(rows, c, dtype=torch.float16, device=device)
                    for n, c in columns.items()
                },
                "lengths": lengths,
                "count": count,
            }

        self._state = (state(), state())
        self._rows_left = count.numpy()
        self._answers: dict[str, Tensor] = {}

    def _host(self, *size: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(size, dtype=dtype, pin_memory=self._pinned)

    def fill(self, feeds: Mapping[str, np.ndarray], rows: int, sequences: int) -> None:
        """Copy a request to the host's buffer, ready for `upload`.

        It is padded to `rows` with tokens 0 and to `sequences` with sequences that have no rows.
        """
        request = self._host_request.numpy()
        for name, place in self._places(rows, sequences).items():
            values, part = feeds[name], request[place]
            part[: len(values)] = values
            part[len(values) :] = values[-1] if name == "offsets" else 0

    def upload(self, rows: int, sequences: int) -> None:
        """Copy the request of these sizes to the device. No host sync."""
        size = max(place.stop for place in self._places(rows, sequences).values())
        self._request[:size].copy_(self._host_request[:size], non_blocking=True)

    def _places(self, rows: int, sequences: int) -> dict[str, slice]:
        """Where each input lies in a request: one after another, so that one copy moves all."""
        sizes = [sequences + 1 if name == "offsets" else rows for name in self._inputs]
        ends = accumulate(sizes)
        return {n: slice(e - s, e) for n, s, e in zip(self._inputs, sizes, ends, strict=True)}

    def given(self, names: list[str], segment: int, rows: int, sequences: int) -> list[Tensor]:
        """The inputs of a segment for a request of these sizes.

        Args:
            names: of the inputs, with `NEXT` before the name of what the segment writes.
            segment: its number, from 0.
            rows, sequences: what this segment runs as, padding included.
        """
        places = self._places(rows, sequences) if segment == 0 else {}
        return [
            self._request[places[name]]
            if name in places
            else self._view(name, segment, rows, sequences)
            for name in names
        ]

    def _view(self, name: str, segment: int, rows: int, sequences: int) -> Tensor:
        writes, kind = name.startswith(NEXT), name.removeprefix(NEXT)
        buffer = self._state[(segment + writes) % 2][kind]
        if kind == "count" or (kind == "residual" and not writes):
            return buffer  # `kept` may choose any row of the residual
        return buffer[: {"offsets": sequences + 1, "lengths": sequences}.get(kind, rows)]

    def forget_rows_left(self) -> None:
        """Mark the number of rows as not yet known; to be called before a segment runs."""
        self._rows_left[0] = UNKNOWN

    def rows_left(self, stream: torch.cuda.Stream | None) -> int:
        """How many rows the segment that was run last has kept. A host sync, which ends before the
        segment does: the number is written before the rows are moved.

        Raises:
            LtpError: the segment never wrote it.
        """
        return host_sync(self._rows_left, stream)

    def download(self, found: Mapping[str, Tensor]) -> None:
        """Copy outputs, by their names, to the host. No host sync."""
        for name, value in found.items():
            if name not in self._answers:  # of whatever size, since addresses stay
                size = (self._most, *value.shape[1:])
                self._answers[name] = self._host(*size, dtype=value.dtype)
            self._answers[name][: len(value)].copy_(value, non_blocking=True)

    def answers(self, sequences: int) -> dict[str, np.ndarray]:
        """Copies of the downloaded outputs without their padding, for a request of `sequences`."""
        found = {name: value.numpy() for name, value in self._answers.items()}
        trimmed = without_padding(found, sequences)
        return {name: value.copy() for name, value in trimmed.items()}
