"""What a backend is, and what a target is: a backend at its precisions and limits."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from ltp_deploy.bundle.manifest import Compiled, EngineRecord
from ltp_deploy.errors import LtpError

if TYPE_CHECKING:
    import numpy as np
    from torch import fx

    from ltp_deploy.bundle.files import BundleFiles
    from ltp_deploy.bundle.limits import Limits
    from ltp_deploy.bundle.options import BuildOptions
    from ltp_deploy.compiler.cost import GpuCost
    from ltp_deploy.compiler.int8 import ActivationRange
    from ltp_deploy.compiler.plan import Plan
    from ltp_deploy.model.config import EncoderConfig

Engine = TypeVar("Engine", bound=Compiled)
Isa = Literal["", "avx2"]  # the newest instructions that a CPU engine may use, "" for all


@dataclass(frozen=True)
class RunOptions:
    """How a loaded engine is to run.

    Attributes:
        threads: of the CPU, None for all.
        throughput: favour many requests at once over the latency of one.
        pruning: a factor for what every layer prunes, see `LayerRule.scaled`.
        alive: the session also gives "alive", [B, L] int32, the tokens alive after each layer; not
            where the engine was built to report survivors, which say more.
        survivors: the session also gives what an engine that was built to report survivors gives.
    """

    threads: int | None = None
    throughput: bool = False
    pruning: float = 1.0
    alive: bool = False
    survivors: bool = False


class Session(Protocol):
    """A loaded engine. `run` may be called from several threads at once."""

    concurrency: int  # requests that run at the same time; others queue

    def run(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Named inputs to named outputs, see `PackedBatch.feeds` and `output_names`."""


@dataclass(frozen=True)
class Target:
    """A name that users give to `--target`: a backend at its precisions and limits.

    Attributes:
        precisions: what `--precision` accepts, the default first.
        beside_int8: the precision of what is not a matrix product in an int8 engine.
        isa: the instruction set that a CPU engine is limited to, "" for the best there is.
        compute_capability: of the GPU that the engine is for, "" for CPUs and for engines that
            any GPU runs.
        needs_limits: whether the engine must know its largest request.
        advised: whether messages may recommend it; no where it only shows what the compiler makes.
    """

    name: str
    summary: str
    backend: Backend
    precisions: tuple[str, ...]
    beside_int8: str = ""
    isa: Isa = ""
    compute_capability: str = ""
    needs_limits: bool = False
    advised: bool = True

    def misfit(self, machine: str) -> str | None:
        """Why CPUs of this architecture (`platform.machine()`) cannot have its instruction set;
        None where they can."""
        if not self.isa or machine == "x86_64":
            return None
        return f"--target {self.name} is for {self.isa}, which {machine} CPUs do not have"


@dataclass(frozen=True)
class Job:
    """Everything a backend needs to write its engine into `directory`; `ranges` for "int8"."""

    module: fx.GraphModule
    config: EncoderConfig
    plan: Plan
    target: Target
    options: BuildOptions
    limits: Limits
    directory: Path
    ranges: Mapping[str, ActivationRange]

    @property
    def precision(self) -> str:
        """Of the matrix products."""
        return self.plan.precision

    def int8(self, module: str) -> bool:
        """Whether this module's matrix product is to be in int8. What lies before the layers goes
        with the first one, the head with the last one."""
        from ltp_deploy.compiler.int8 import INT8

        numbers = re.findall(r"\d+", module)
        layer = int(numbers[0]) if numbers else 0 if module.startswith("embedding") else -1
        return self.plan.layers[layer].precision in INT8

    def activation_range(self, module: str, depth: int) -> ActivationRange:
        """The calibrated range of this module's input [T, depth].

        Raises:
            LtpError: the calibration has none, or one of another depth.
        """
        found = self.ranges.get(module)
        if found is None:
            raise LtpError(
                f"the calibration has no range for the input of {module}: it was zero on all of "
                "its texts, or another version of ltp-deploy measured it; calibrate again, on "
                "other texts, or keep the layer out of int8 with --not-int8"
            )
        if len(found.smooth) != depth:
            raise LtpError(
                f"the calibration has {len(found.smooth)} factors for the input of {module}, which "
                f"has {depth} columns; calibrate again"
            )
        return found


@dataclass(frozen=True)
class Output:
    """What a backend wrote.

    Attributes:
        engine: the record that the manifest keeps.
        inputs: names of the engine's inputs, in order.
        versions: of the packages that the engine depends on, by name.
        pinned: build options that a rebuild must repeat, in place of those that chose by machine.
    """

    engine: EngineRecord
    inputs: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    pinned: Mapping[str, Any] = field(default_factory=dict)


class Backend(ABC):
    """How engines of one kind are compiled, opened, checked and described.

    Attributes:
        name: what manifests call it.
        record: the class of its record in manifests.
        own_options: of the build options that not every backend knows, those that this one does:
            "portable", "library", and "bounded", a value of `compact`.
        scales: whether an engine's pruning can be scaled when it is loaded.
        counts: whether an engine that was built without survivors can count and report them.
    """

    name: ClassVar[str]
    record: ClassVar[type[EngineRecord]]
    own_options: ClassVar[frozenset[str]] = frozenset({"bounded"})
    scales: ClassVar[bool] = False
    counts: ClassVar[bool] = False

    @abstractmethod
    def compile(self, job: Job) -> Output:
        """Write the engine's files into `job.directory`."""

    @abstractmethod
    def open(self, files: BundleFiles, engine: Compiled, options: RunOptions) -> Session:
        """Load an engine whose manifest was checked.

        Raises:
            BundleError: this machine or the installed versions cannot run it.
        """

    def misfit(self, config: EncoderConfig, precision: str) -> str | None:
        """Why no engine of this kind holds a model of this shape, in words; None where one does."""
        return None

    def no_gain(self, precision: str) -> str | None:
        """Why an engine in this precision cannot be faster on this machine than one in f32, in
        words; None where it may be."""
        return None

    def missing(self, target: Target, options: BuildOptions) -> str | None:
        """Why this machine cannot build the engine that it plans, None where it can."""
        return None

    def check(self, config: EncoderConfig, limits: Limits) -> None:
        """Refuse limits that engines of this kind cannot hold.

        Raises:
            LtpError: what was found, what is allowed, what to do.
        """
        return

    def cost(self, target: Target, precision: str) -> GpuCost | None:
        """The cost model of the target's GPU for products of this precision, None where compaction
        costs next to nothing."""
        return None

    def can_run(self, engine: Compiled) -> bool:
        """Whether this machine can run the engine."""
        return True

    def portable(self, engine: Engine) -> Engine | None:
        """The engine's form for the CPU: itself where it runs there, None where it has none."""
        return engine

    def portable_options(self, options: BuildOptions) -> BuildOptions:
        """Options that build the same model for this machine's CPU, to judge it by."""
        return options

    def baselines(self, engine: Compiled) -> tuple[str, str] | None:
        """What runs the dense models that the engine is timed against, a name in
        `ltp_deploy.benchmark.baselines.BASELINES`, and its device; None where nothing does."""
        return "openvino", "cpu"

    def describe(self, engine: Compiled) -> list[tuple[str, str]]:
        """Rows for `inspect`."""
        return []

    def notes(self, engine: Compiled) -> list[str]:
        """What the user should know at the end of a build, a line each."""
        return []
