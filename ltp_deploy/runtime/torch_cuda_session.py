"""Running a torch-cuda bundle: CUDA graphs of its segments, one for each size that comes again."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltp_deploy.cuda.in_place import NEXT, UNKNOWN, wait_for  # registers all operators of archives
from ltp_deploy.errors import BundleError
from ltp_deploy.options import Limits
from ltp_deploy.runtime.batch import one_token
from ltp_deploy.runtime.cuda_graphs import Graphs, Outputs


def row_bucket(rows: int) -> int:
    """The number of rows that a request of `rows` is run as: at most a sixteenth more, or 63."""
    step = max(64, 1 << max(0, (rows - 1).bit_length() - 5))
    return -(-rows // step) * step


def sequence_bucket(sequences: int, most: int) -> int:
    """Likewise: the next power of two, or the most that the engine accepts."""
    return min(1 << (sequences - 1).bit_length(), most)


class TorchCudaSession:
    """The segments of an engine with buffers for the largest request; one request at a time.

    On the CPU the same segments run without graphs, with the op's reference.
    """

    def __init__(self, module: torch.jit.ScriptModule, manifest: dict[str, Any]):
        self.concurrency = 1
        self.device = torch.device(manifest["device"])
        if self.device.type == "cuda":  # the one that is current now, on whatever thread it runs
            self.device = torch.device("cuda", torch.cuda.current_device())
        limits = Limits(**manifest["limits"])
        self.max_batch = limits.max_batch
        self.inputs = manifest["inputs"]
        self.outputs = manifest["outputs"]
        self.buffers = Buffers(limits, manifest["hidden_size"], self.device)
        on_gpu = self.device.type == "cuda"
        self.stream = torch.cuda.Stream(self.device) if on_gpu else None
        graphs = Graphs(self.stream) if self.stream else None
        self.segments = [
            _Segment(part, number, **names, buffers=self.buffers, graphs=graphs)
            for number, (part, names) in enumerate(
                zip(module.segments.children(), manifest["segments"], strict=True)
            )
        ]
        # The op's reference has no first row of a sequence without any; its kernels have.
        self.fills_batches = on_gpu
        self._lock = threading.Lock()
        if on_gpu:
            torch.cuda.synchronize()  # the buffers were cleared on another stream

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with self._lock, torch.inference_mode(), self._on_stream():
            return self._run(feeds)

    def _on_stream(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream) if self.stream else nullcontext()

    def _run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self.stream:
            self.stream.synchronize()  # a request that was interrupted may still write
        sequences, left = len(feeds["offsets"]) - 1, len(feeds["input_ids"])
        slots = sequence_bucket(sequences, self.max_batch) if self.fills_batches else sequences
        spare = int(slots > sequences)  # sequences of no tokens begin at a row that is there
        self.buffers.send(
            {name: feeds[name] for name in self.inputs}, row_bucket(left + spare), slots
        )
        answers: dict[str, np.ndarray] = {}
        for number, segment in enumerate(self.segments):
            if number > 0:
                left = self._rows_left()
            self.buffers.rows_left[0] = UNKNOWN
            found = segment.run(row_bucket(left + spare), slots)
            # Copied at once: the next graph may use the same memory.
            answers |= {name: value.cpu().numpy().copy() for name, value in found.items()}
        return {name: _trimmed(name, answers, sequences) for name in self.outputs}

    def _rows_left(self) -> int:
        """Of the segment that was run last: its last kernel says so before it moves them."""
        count = self.buffers.rows_left
        return wait_for(count, self.stream) if self.stream else int(count[0])


def _trimmed(name: str, answers: Mapping[str, np.ndarray], sequences: int) -> np.ndarray:
    """An output without the rows and sequences that only fill its bucket."""
    if name == "logits":
        return answers[name][:sequences]
    layer, _, part = name.rpartition(".")
    offsets = answers[f"{layer}.offsets"][: sequences + 1]
    return offsets if part == "offsets" else answers[name][: offsets[-1]]


class Buffers:
    """What segments read and write, at fixed addresses: two places for each name of
    `ltp_deploy.compiler.segments.STATE`, which segments in turn read and write.

    Attributes:
        rows_left: [1], the host's own: what the segment that was run last leaves.
    """

    def __init__(self, limits: Limits, hidden: int, device: torch.device):
        rows, sequences = row_bucket(limits.max_tokens + 1), limits.max_batch
        pinned = device.type == "cuda"
        whole = {"offsets": sequences + 1, "lengths": sequences}

        def numbers(*names: str) -> Outputs:
            sizes = {name: whole.get(name, rows) for name in names}
            return {n: torch.zeros(s, dtype=torch.int32, device=device) for n, s in sizes.items()}

        def state() -> Outputs:
            values = torch.zeros(2, rows, hidden, dtype=torch.float16, device=device)
            return numbers("kept", "alive", "offsets") | {
                "context": values[0],
                "residual": values[1],
            }

        count = torch.zeros(1, dtype=torch.int32, pin_memory=pinned)
        shared = {**numbers("lengths"), "count": count}
        request = numbers("input_ids", "position_ids", "token_type_ids")
        self._device = (request | shared | state(), shared | state())
        self._host = {
            name: torch.zeros(whole.get(name, rows), dtype=torch.int32, pin_memory=pinned)
            for name in (*request, "offsets")
        }
        self.rows_left = count.numpy()

    def send(self, feeds: dict[str, np.ndarray], rows: int, sequences: int) -> None:
        """Copy a request into buckets of these sizes; what fills them up are rows of token 0 that
        belong to nobody, and sequences without rows."""
        for name, values in feeds.items():
            is_offsets = name == "offsets"
            size = sequences + 1 if is_offsets else rows
            host = self._host[name].numpy()
            host[: len(values)] = values
            host[len(values) : size] = values[-1] if is_offsets else 0
            self._device[0][name][:size].copy_(self._host[name][:size], non_blocking=True)

    def view(self, name: str, segment: int, rows: int, sequences: int) -> Tensor:
        """An input of a segment by its number; `NEXT` before the name of what it writes."""
        writes = name.startswith(NEXT)
        part = name.removeprefix(NEXT)
        buffer = self._device[(segment + writes) % 2][part]
        if part == "count" or (part == "residual" and not writes):
            return buffer  # `kept` may choose any row of the residual
        return buffer[: {"offsets": sequences + 1, "lengths": sequences}.get(part, rows)]


class _Segment:
    """One part of the engine."""

    def __init__(
        self,
        module: torch.nn.Module,
        number: int,
        inputs: list[str],
        outputs: list[str],
        buffers: Buffers,
        graphs: Graphs | None,
    ):
        self.module = module
        self.number = number
        self.inputs = inputs
        self.outputs = outputs
        self.buffers = buffers
        self.graphs = graphs

    def run(self, rows: int, sequences: int) -> Outputs:
        """The engine's outputs that this part computes; valid until any part runs again."""
        if self.graphs is None:
            return self._compute(rows, sequences)
        key = (self.number, rows, sequences)
        return self.graphs.run(key, lambda: self._compute(rows, sequences))

    def _compute(self, rows: int, sequences: int) -> Outputs:
        given = [self.buffers.view(name, self.number, rows, sequences) for name in self.inputs]
        # Without the executor's own optimisations: they specialise and compile for each size.
        with torch.jit.optimized_execution(False):
            values = self.module(*given)
        return dict(zip(self.outputs, values, strict=True))


def open_session(
    directory: Path, manifest: dict[str, Any], threads: int | None, throughput: bool
) -> TorchCudaSession:
    """Load the engine onto the GPU, or onto the CPU where the manifest says so.

    Raises:
        BundleError: PyTorch finds no GPU, or cannot read the engine.
    """
    device = manifest["device"]
    if device == "cuda" and not torch.cuda.is_available():
        raise BundleError(
            f"{directory} runs on an NVIDIA GPU, and PyTorch {torch.__version__} finds none; "
            "load(..., portable=True) and `verify --portable` run it on the CPU, slowly"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            module = torch.jit.load(directory / manifest["engine"], map_location=device)
        except RuntimeError as error:
            raise BundleError(
                f"PyTorch {torch.__version__} cannot read {directory}, built with "
                f"{manifest['versions']['torch']}; rebuild it ({error})"
            ) from error
    session = TorchCudaSession(module, manifest)
    session.run(one_token())
    return session
