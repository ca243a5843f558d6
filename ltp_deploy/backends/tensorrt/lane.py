"""Packed requests through a TensorRT engine, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltp_deploy.backends.answers import without_padding
from ltp_deploy.backends.tensorrt.executor import Executor, Shapes
from ltp_deploy.backends.tensorrt.loaded import LoadedEngine
from ltp_deploy.bundle.manifest import Compiled
from ltp_deploy.cuda.buckets import row_bucket, sequence_bucket
from ltp_deploy.cuda.memory import Mirror
from ltp_deploy.errors import BundleError
from ltp_deploy.model.policy import Carry

TOKENS, OFFSETS, LOGITS = "input_ids", "offsets", "logits"


@dataclass(frozen=True)
class Size:
    """Of a request, padding included."""

    rows: int
    sequences: int

    def holds(self, other: Size) -> bool:
        """Whether another request is no larger in any way."""
        return other.rows <= self.rows and other.sequences <= self.sequences

    def length(self, name: str) -> int:
        """Elements of a tensor other than the logits."""
        return self.sequences + 1 if name.rpartition(".")[2] == OFFSETS else self.rows


class Lane:
    """Buffers as large as the limits allow. Where no size depends on the data, requests are padded
    to few different sizes.

    Attributes:
        profiles: the largest requests that the engine's optimisation profiles take, from the
            general one to the special ones.
    """

    def __init__(self, loaded: LoadedEngine, compiled: Compiled):
        most = Size(compiled.limits.max_tokens, compiled.limits.max_batch)
        self.labels = compiled.model.num_labels
        integers, largest = np.dtype(np.int32), max(most.rows, most.sequences + 1)
        inputs = {name: Mirror(most.length(name), integers) for name in compiled.inputs}
        outputs = {name: Mirror(largest, integers) for name in compiled.outputs if name != LOGITS}
        outputs[LOGITS] = Mirror(most.sequences * self.labels, np.dtype(np.float32))
        self.static = Carry.SURVIVORS not in compiled.plan.carries
        sized_by_data = None if self.static else outputs.keys() - {LOGITS}
        self.executor = Executor(loaded, inputs, outputs, sized_by_data)
        contexts = self.executor.contexts
        self.profiles = [
            Size(contexts.largest(TOKENS, i)[0], contexts.largest(OFFSETS, i)[0] - 1)
            for i in range(contexts.profiles)
        ]
        if not self.profiles[0].holds(most):
            raise BundleError(
                f"the engine takes {self.profiles[0].rows} tokens in {self.profiles[0].sequences} "
                f"sequences, the manifest says {most.rows} in {most.sequences}; rebuild the bundle"
            )

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = Size(len(feeds[TOKENS]), len(feeds[OFFSETS]) - 1)
        size = self._padded(given) if self.static else given
        inputs, outputs = self.executor.inputs, self.executor.outputs
        for name, mirror in inputs.items():
            values, part = feeds[name], mirror.host[: size.length(name)]
            part[: len(values)] = values
            part[len(values) :] = values[-1] if name == OFFSETS else 0
        counts = {name: size.length(name) for name in outputs}
        counts[LOGITS] = size.sequences * self.labels
        shapes = {name: (size.length(name),) for name in inputs}
        self.executor.run(Shapes(self._profile(size), tuple(shapes.items()), tuple(counts.items())))
        found = {name: mirror.host for name, mirror in outputs.items()}
        logits = found[LOGITS][: given.sequences * self.labels]
        found[LOGITS] = logits.reshape(given.sequences, self.labels)
        trimmed = without_padding(found, given.sequences)
        return {name: value.copy() for name, value in trimmed.items()}

    def _profile(self, size: Size) -> int:
        """The number of the most special profile for a request."""
        return max(i for i, most in enumerate(self.profiles) if most.holds(size))

    def _padded(self, given: Size) -> Size:
        """What a request is run as, with tokens 0 and empty sequences at its end."""
        general, *_ = self.profiles
        slots = sequence_bucket(given.sequences, general.sequences)
        spare = slots > given.sequences  # sequences of no tokens begin at a row that is there
        if given.rows + spare > general.rows:
            slots, spare = given.sequences, False
        most = self.profiles[self._profile(Size(given.rows, slots))]
        return Size(min(row_bucket(given.rows + spare), most.rows), slots)
