"""Execution contexts of a TensorRT engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ltp_deploy.backends.tensorrt.runtime_cache import RuntimeCache
from ltp_deploy.cuda.memory import Memory, Stream
from ltp_deploy.errors import BundleError

TOKENS, OFFSETS = "input_ids", "offsets"


@dataclass(frozen=True)
class Profile:
    """An optimisation profile: the largest requests that it takes.

    Attributes:
        rows: tokens, padding included.
        sequences: of the request; `least` at least.
    """

    rows: int
    sequences: int

    def holds(self, rows: int, sequences: int) -> bool:
        return rows <= self.rows and sequences <= self.sequences


class Contexts:
    """Makes the execution contexts of one lane, which share memory: they run one after another.

    Args:
        trt: the module tensorrt or tensorrt_rtx.
        engine: an `ICudaEngine`.
        stream: of the lane.
        cache: of kernels that the library compiles when it loads an engine, or None.

    Attributes:
        profiles: of the engine, from the general one to the special ones.
    """

    def __init__(self, trt: Any, engine: Any, stream: Stream, cache: RuntimeCache | None):
        self._trt, self._engine, self._stream, self._cache = trt, engine, stream, cache
        self._memory = Memory(engine.device_memory_size_v2)
        self.profiles = [self._profile(i) for i in range(engine.num_optimization_profiles)]

    def _profile(self, number: int) -> Profile:
        def most(name: str) -> int:
            return int(self._engine.get_tensor_profile_shape(name, number)[2][0])

        return Profile(most(TOKENS), most(OFFSETS) - 1)

    def best_profile(self, rows: int, sequences: int) -> int:
        """The number of the most special profile that holds a request of this size."""
        held = [profile.holds(rows, sequences) for profile in self.profiles]
        return len(held) - 1 - held[::-1].index(True)

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
            config.set_execution_context_allocation_strategy(strategy)
            context = self._engine.create_execution_context(config)
        if context is None or not context.set_optimization_profile_async(
            profile, self._stream.handle
        ):
            raise BundleError("the GPU has too little memory for this engine's limits")
        self._stream.wait()
        context.set_device_memory(self._memory.address, self._memory.size)
        return context
