"""Execution contexts of a TensorRT engine."""

from __future__ import annotations

from typing import Any

from ltp_deploy.backends.tensorrt.runtime_cache import RuntimeCache
from ltp_deploy.cuda.memory import Memory, Stream
from ltp_deploy.errors import BundleError


class Contexts:
    """Makes the execution contexts of one lane, which share memory: they run one after another.

    Args:
        trt: the module tensorrt or tensorrt_rtx.
        logger: a `Log`.
        engine: an `ICudaEngine`.
        stream: of the lane.
        cache: of kernels that the library compiles when it loads an engine, or None.

    Attributes:
        profiles: how many optimisation profiles the engine has.
    """

    def __init__(
        self, trt: Any, logger: Any, engine: Any, stream: Stream, cache: RuntimeCache | None
    ):
        self._trt, self._logger, self._engine = trt, logger, engine
        self._stream, self._cache = stream, cache
        self._configs: list[Any] = []  # which contexts may go on using
        self._memory = Memory(engine.device_memory_size_v2)
        self.profiles: int = engine.num_optimization_profiles

    def largest(self, name: str, profile: int) -> tuple[int, ...]:
        """The largest shape of an input."""
        return tuple(self._engine.get_tensor_profile_shape(name, profile)[2])

    def make(self, profile: int) -> Any:
        """A new context for requests of a profile.

        Raises:
            BundleError: the library makes none.
        """
        strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._cache is None:
            context = self._engine.create_execution_context(strategy)
        else:
            config = self._cache.config(self._engine)
            self._configs.append(config)
            config.set_execution_context_allocation_strategy(strategy)
            context = self._engine.create_execution_context(config)
        if context is None or not context.set_optimization_profile_async(
            profile, self._stream.handle
        ):
            raise BundleError(
                "TensorRT cannot prepare the engine, perhaps for lack of the GPU's memory: "
                f"{self._logger.complaints()}"
            )
        self._stream.wait()
        context.set_device_memory(self._memory.address, self._memory.size)
        return context
