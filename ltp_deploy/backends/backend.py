"""What a build target is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import fx

from ltp_deploy.bundle.options import BuildOptions, Limits
from ltp_deploy.calibration.artifact import ActivationRange
from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig


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
        return self.plan.precision

    def int8(self, module: str) -> bool:
        """Whether this module's product is to be in int8. What lies before the layers goes with
        the first one, the head with the last one."""
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
class Target:
    """A name that users give to `--target`.

    Attributes:
        write: writes the engine files and returns the manifest entries that describe them.
        precisions: what `--precision` accepts, the default first.
        beside_int8: the precision of what is not a product in an int8 engine.
        isa: the instruction set that a CPU engine is limited to, "" for the best there is.
        gpu: finds the cost model of the GPU that the engine is for.
        compute_capability: of that GPU, "" for CPUs and for engines that any GPU runs.
        needs_limits: whether the engine must know its largest request.
        check: raises LtpError for a model or limits that the target cannot hold.
    """

    name: str
    summary: str
    backend: str
    write: Callable[[Job], dict[str, Any]]
    precisions: tuple[str, ...]
    beside_int8: str = ""
    isa: str = ""
    gpu: Callable[[], GpuCost] | None = None
    compute_capability: str = ""
    needs_limits: bool = False
    check: Callable[[EncoderConfig, Limits], None] | None = None
