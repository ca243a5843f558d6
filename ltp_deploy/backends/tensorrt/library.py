"""The two libraries that build and run engines, and which of them this machine has."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from ltp_deploy.errors import LtpError, how_to_install
from ltp_deploy.hardware.gpu import gpus

LibraryName = Literal["tensorrt", "tensorrt_rtx"]


@dataclass(frozen=True)
class Library:
    """A library that builds and runs engines.

    Attributes:
        name: of its Python module, and of the library in a manifest.
        title: its name for people.
        install: gives the command that installs it.
        cross: whether it builds for GPUs that this machine does not have.
    """

    name: LibraryName
    title: str
    install: Callable[[], str]
    cross: bool

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.name) is not None

    def load(self) -> Any:
        """Import and return the Python module.

        Raises:
            LtpError: it is not installed, or cannot be imported.
        """
        try:
            return importlib.import_module(self.name)
        except (ImportError, OSError) as error:
            raise LtpError(f"{self.title} cannot be imported ({error}): {self.install()}") from None


TENSORRT = Library(
    "tensorrt",
    "TensorRT",
    lambda: "install the `tensorrt` package on the machine with the GPU",
    False,
)
RTX = Library("tensorrt_rtx", "TensorRT for RTX", lambda: how_to_install("tensorrt-rtx"), True)
LIBRARIES = {library.name: library for library in (TENSORRT, RTX)}
RTX_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")


def choose_library(compute_capability: str, name: str | None = None) -> Library:
    """Choose what builds an engine on this machine.

    TensorRT builds for the GPU that is present and for no other; TensorRT for RTX builds for any
    GPU that it knows, on any machine.

    Args:
        compute_capability: of the GPU that the engine is for, such as "7.5".
        name: a key of `LIBRARIES` to use no other; None for the first that can.

    Raises:
        LtpError: no library here can build it; the message says why and what to install.
    """
    present = [gpu.compute_capability for gpu in gpus()][:1]  # the one that it builds for
    if name is not None:
        if name not in LIBRARIES:
            raise LtpError(f"unknown library {name!r}; known: {', '.join(LIBRARIES)}")
        candidates = [LIBRARIES[name]]
    else:
        candidates = [TENSORRT, RTX]
    reasons = []
    for library in candidates:
        reason = _why_not(library, compute_capability, present)
        if reason is None:
            return library
        reasons.append(f"{library.title} {reason}")
    raise LtpError(
        f"no installed library builds engines for compute capability {compute_capability}: "
        + "; ".join(reasons)
    )


def _why_not(library: Library, compute_capability: str, present: list[str]) -> str | None:
    """Why a library cannot build for a compute capability here, None where it can."""
    if not library.installed:
        return f"is not installed ({library.install()})"
    if library.cross and compute_capability not in RTX_CAPABILITIES:
        return f"knows only {', '.join(RTX_CAPABILITIES)}"
    if not library.cross and compute_capability not in present:
        return f"builds only for the GPU that is present, here {', '.join(present) or 'none'}"
    return None


@contextmanager
def child_environment(library: Library) -> Iterator[dict[str, str]]:
    """The environment variables for a process that parses ONNX with plugins.

    The parser of TensorRT for RTX opens `libtensorrt_rtx.so`, of which the package has only
    `libtensorrt_rtx.so.1`, and aborts its process where it does not find it.
    """
    environment = dict(os.environ)
    if library is not RTX:
        yield environment
        return
    with TemporaryDirectory() as folder:
        (Path(folder) / "libtensorrt_rtx.so").symlink_to(_rtx_shared_library())
        paths = [folder, environment.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(filter(None, paths))
        yield environment


def _rtx_shared_library() -> Path:
    spec = importlib.util.find_spec("tensorrt_rtx_libs")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("libtensorrt_rtx.so.*")):
            return path
    raise LtpError("the package tensorrt_rtx_libs, a part of TensorRT for RTX, is incomplete")
