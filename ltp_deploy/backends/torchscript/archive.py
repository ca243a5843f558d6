"""Reading TorchScript archives as they were checked."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

import torch

from ltp_deploy.bundle.mapping import MappedFile


def load_archive(file: MappedFile, device: str) -> torch.jit.ScriptModule:
    """The module in an archive. Raises RuntimeError where PyTorch cannot read it.

    PyTorch copies what it reads, from memory twice more. From the file it is what was checked as
    long as nobody could write to it in between.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        if (path := file.path) is not None:
            with suppress(RuntimeError, ValueError, OSError):  # memory has the last word
                module = torch.jit.load(path, map_location=device)
                if file.shared:
                    return module
        return torch.jit.load(io.BytesIO(file.data), map_location=device)
