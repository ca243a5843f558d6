"""Running a TorchScript bundle from Python."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch


class TorchScriptSession:
    """A `torch.jit` module; it has no state, so threads may share it."""

    def __init__(self, module: torch.jit.ScriptModule, inputs: list[str], outputs: list[str]):
        self.module = module
        self.inputs = inputs
        self.outputs = outputs
        self.concurrency = 1

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            values = self.module(*(torch.from_numpy(feeds[name]) for name in self.inputs))
        return dict(zip(self.outputs, (v.numpy() for v in values), strict=True))


def open_session(
    directory: Path, manifest: dict[str, Any], threads: int | None, throughput: bool
) -> TorchScriptSession:
    """Load the traced module. Threads are PyTorch's, process-wide."""
    if threads is not None:
        torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        module = torch.jit.load(directory / manifest["engine"], map_location="cpu")
    return TorchScriptSession(module, manifest["inputs"], manifest["outputs"])
