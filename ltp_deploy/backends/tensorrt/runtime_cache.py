"""Kernels that TensorRT for RTX compiles when it loads an engine, kept for the next time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ltp_deploy.bundle.directory import new_file
from ltp_deploy.cuda.compile import lasting_cache_folder
from ltp_deploy.errors import LtpError


class RuntimeCache:
    """The compiled kernels of one engine, in a file of the user's cache folder.

    The library itself checks whether the file fits the GPU and its own version.

    Args:
        trt: the module tensorrt_rtx.
        digest: of the engine's bundle; None: nothing is kept.

    Attributes:
        path: of the file; None where nothing is kept.
    """

    def __init__(self, trt: Any, digest: str | None = None):
        self._trt = trt
        folder = lasting_cache_folder() if digest else None
        self.path: Path | None = folder / f"{digest}.rtx" if folder else None
        self._cache: Any = None
        self._saved = b""

    def config(self, engine: Any) -> Any:
        """An `IRuntimeConfig` that uses the cache.

        Kernels take any shape of their profile. By default others are compiled in the background
        for every new shape, and requests hardly ever have the same one.
        """
        config = engine.create_runtime_config()
        strategies = self._trt.DynamicShapesKernelSpecializationStrategy
        config.dynamic_shapes_kernel_specialization_strategy = strategies.NONE
        if self._cache is None:
            self._cache = config.create_runtime_cache()
            if self.path:
                with suppress(OSError):
                    self._saved = self.path.read_bytes()
                    self._cache.deserialize(self._saved)
        config.set_runtime_cache(self._cache)
        return config

    def save(self) -> None:
        """Write the file, if there is something new in it and the folder can be written."""
        compiled = bytes(self._cache.serialize() or b"")
        if self.path is None or compiled in (b"", self._saved):
            return
        with suppress(OSError, LtpError), new_file(self.path) as work:
            work.write_bytes(compiled)
            os.chmod(work, 0o600)
            self._saved = compiled
