"""A deserialized TensorRT engine."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from ltp_deploy.backends.tensorrt.contexts import Contexts
from ltp_deploy.backends.tensorrt.library import RTX, LibraryName
from ltp_deploy.backends.tensorrt.log import make_logger
from ltp_deploy.backends.tensorrt.runtime_cache import RuntimeCache
from ltp_deploy.cuda.memory import Stream
from ltp_deploy.errors import BundleError


class LoadedEngine:
    """What all that run one engine share.

    Args:
        trt: the module of the library.
        data: the serialized engine.
        title: what errors call it.
        register: gives the runtime's registry the plugin, None where the engine has none.
        digest: of the engine's bundle, see `RuntimeCache`.

    Attributes:
        cache: kernels that TensorRT for RTX compiled, None for TensorRT.
        capturing: held while a graph is captured: what another executor does to make a context may
            be forbidden meanwhile.

    Raises:
        BundleError: the library refuses the engine.
    """

    def __init__(
        self,
        trt: Any,
        library: LibraryName,
        data: Any,
        title: object,
        register: Callable[[Any], None] | None = None,
        digest: str | None = None,
    ):
        # In this order attributes go: the engine before its runtime, in whose registry the plugin
        # lives, and both before the logger.
        self._engine: Any = None
        self._runtime: Any = None
        self.trt, self.logger = trt, make_logger(trt)
        self._runtime = trt.Runtime(self.logger)
        if register:
            register(self._runtime.get_plugin_registry())
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise BundleError(f"{library} refuses {title}: {self.logger.complaints()}")
        self.cache = RuntimeCache(trt, digest) if library == RTX.name else None
        self.capturing = Lock()

    def contexts(self, stream: Stream) -> Contexts:
        """Its execution contexts on a stream."""
        return Contexts(self.trt, self.logger, self._engine, stream, self.cache)
