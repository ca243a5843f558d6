"""What a build target is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import fx

from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.config import EncoderConfig
from ltp_deploy.options import BuildOptions, Limits


@dataclass(frozen=True)
class Job:
    """Everything a backend needs to write its engine into `directory`."""

    module: fx.GraphModule
    config: EncoderConfig
    plan: Plan
    target: Target
    options: BuildOptions
    limits: Limits
    directory: Path

    @property
    def precision(self) -> str:
        return self.plan.layers[0].precision


@dataclass(frozen=True)
class Target:
    """A name that users give to `--target`.

    Attributes:
        write: writes the engine files and returns the manifest entries that describe them.
        precisions: what `--precision` accepts, the default first.
        isa: the instruction set that a CPU engine is limited to, "" for the best there is.
        gpu: the cost model of the GPU that the engine is for.
        compute_capability: of that GPU, "" for CPUs.
        needs_limits: whether the engine must know its largest request.
        check: raises LtpError for a model or limits that the target cannot hold.
    """

    name: str
    summary: str
    backend: str
    write: Callable[[Job], dict[str, Any]]
    precisions: tuple[str, ...]
    isa: str = ""
    gpu: GpuCost | None = None
    compute_capability: str = ""
    needs_limits: bool = False
    check: Callable[[EncoderConfig, Limits], None] | None = None
