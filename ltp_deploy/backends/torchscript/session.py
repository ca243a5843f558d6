"""Running a TorchScript module from Python."""

from __future__ import annotations

import numpy as np
import torch

from ltp_deploy.backends.answers import without_padding
from ltp_deploy.backends.torch_threads import use_threads
from ltp_deploy.backends.torchscript.archive import load_archive
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.bundle.mapping import MappedFile


class TorchScriptSession:
    """A `torch.jit` module; it has no state, so threads may share it."""

    def __init__(
        self, module: torch.jit.ScriptModule, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ):
        self.module = module
        self.inputs = inputs
        self.outputs = outputs
        self.concurrency = 1

    @classmethod
    def open(cls, file: MappedFile, engine: Compiled, threads: int | None) -> TorchScriptSession:
        """Load the traced module. Threads are PyTorch's, process-wide."""
        use_threads(threads)
        return cls(load_archive(file, "cpu"), engine.inputs, engine.outputs)

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named inputs to named outputs."""
        with torch.inference_mode():
            values = self.module(*(torch.from_numpy(feeds[name]) for name in self.inputs))
        # Copied, so that PyTorch's memory is let go inside the call: that is native work too.
        found = dict(zip(self.outputs, (v.numpy().copy() for v in values), strict=True))
        return without_padding(found, len(feeds["offsets"]) - 1)
