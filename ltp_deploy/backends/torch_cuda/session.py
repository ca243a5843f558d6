"""Running a torch-cuda bundle: CUDA graphs of its segments, one for each size that comes again."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from ltp_deploy.backends.messages import reason
from ltp_deploy.backends.torch_cuda import TorchCudaEngine
from ltp_deploy.backends.torch_cuda.buffers import Buffers  # registers the operators of archives
from ltp_deploy.backends.torch_cuda.graphs import TorchGraphs
from ltp_deploy.backends.torch_threads import use_threads
from ltp_deploy.backends.torchscript.archive import load_archive
from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.cuda.buckets import row_bucket, sequence_bucket
from ltp_deploy.errors import BundleError


class TorchCudaSession:
    """The parts of an engine with buffers for the largest request; one request at a time.

    On the CPU the same parts run without graphs, with the operators' references.
    """

    def __init__(self, module: torch.jit.ScriptModule, engine: Compiled):
        self.concurrency = 1
        record = engine.record(TorchCudaEngine)
        device = torch.device(record.device)
        on_gpu = device.type == "cuda"
        if on_gpu:  # the one that is current now, on whatever thread it runs
            device = torch.device("cuda", torch.cuda.current_device())
        self.max_batch = engine.limits.max_batch
        self.outputs = engine.outputs
        rows = row_bucket(engine.limits.max_tokens + 1)
        columns = {"context": record.context_size, "residual": record.hidden_size}
        self.buffers = Buffers(list(engine.inputs), rows, self.max_batch, columns, device)
        self.parts = list(zip(module.segments.children(), record.segments, strict=True))
        self.stream = torch.cuda.Stream(device) if on_gpu else None
        self.graphs = TorchGraphs(self.stream) if self.stream else None
        # The op's reference has no first row of a sequence without any; its kernels have.
        self.fills_batches = on_gpu
        self._lock = threading.Lock()
        if on_gpu:
            torch.cuda.synchronize()  # the buffers were cleared on another stream

    @classmethod
    def open(cls, files: BundleFiles, engine: Compiled, threads: int | None) -> TorchCudaSession:
        """Load the engine onto the GPU, or onto the CPU where its record says so.

        Raises:
            BundleError: PyTorch finds no GPU, or cannot read the engine.
        """
        directory, record = files.directory, engine.record(TorchCudaEngine)
        if record.device == "cuda" and not torch.cuda.is_available():
            raise BundleError(
                f"{directory} runs on an NVIDIA GPU, and PyTorch {torch.__version__} finds none; "
                "load(..., portable=True) and `verify --portable` run it on the CPU, slowly"
            )
        use_threads(threads)
        try:
            module = load_archive(files.file(record.file), record.device)
        except RuntimeError as error:
            raise BundleError(
                f"PyTorch {torch.__version__} cannot read {directory}, built with "
                f"{engine.version('torch')}; rebuild it ({reason(str(error))})"
            ) from error
        return cls(module, engine)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with self._lock:
            try:
                with torch.inference_mode(), self._on_stream():
                    sequences = self._run(feeds)
            finally:  # also where something failed: work on the stream still uses the buffers
                if self.stream:
                    self.stream.synchronize()
            answers = self.buffers.answers(sequences)
        return {name: answers[name] for name in self.outputs}

    def _on_stream(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self.stream) if self.stream else nullcontext()

    def _run(self, feeds: dict[str, np.ndarray]) -> int:
        """Have a request answered on the stream; returns its number of sequences."""
        sequences, left = len(feeds["offsets"]) - 1, len(feeds["input_ids"])
        slots = sequence_bucket(sequences, self.max_batch) if self.fills_batches else sequences
        spare = int(slots > sequences)  # sequences of no tokens begin at a row that is there
        self.buffers.fill(feeds, row_bucket(left + spare), slots)
        for number in range(len(self.parts)):
            if number > 0:
                left = self.buffers.rows_left(self.stream)
            self.buffers.forget_rows_left()
            size = (number, row_bucket(left + spare), slots)
            if self.graphs:
                self.graphs.run(size, partial(self._compute, *size))
            else:
                self._compute(*size)
        return sequences

    def _compute(self, number: int, rows: int, sequences: int) -> None:
        """One part, from buffers into buffers."""
        module, names = self.parts[number]
        if number == 0:
            self.buffers.upload(rows, sequences)
        # Without the executor's own optimisations: they specialise and compile for each size.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            values = module(*self.buffers.given(list(names.inputs), number, rows, sequences))
        self.buffers.download(dict(zip(names.outputs, values, strict=True)))
