"""What a build target is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import fx

from ltp_deploy.compiler.plan import Plan
from ltp_deploy.config import EncoderConfig


@dataclass(frozen=True)
class Job:
    """Everything a backend needs to write its engine into `directory`."""

    module: fx.GraphModule
    config: EncoderConfig
    plan: Plan
    precision: str
    isa: str
    directory: Path


@dataclass(frozen=True)
class Target:
    """A name that users give to `--target`.

    Attributes:
        write: writes the engine files and returns the manifest entries that describe them.
        precisions: what `--precision` accepts, the default first.
        isa: the instruction set the engine is limited to, "" for the best there is.
        runs: whether this machine can run what it builds.
    """

    name: str
    summary: str
    backend: str
    write: Callable[[Job], dict[str, Any]]
    precisions: tuple[str, ...]
    isa: str = ""
    runs: bool = True
