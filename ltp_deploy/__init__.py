"""Compile transformers trained with Learned Token Pruning into engines that really are faster."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ltp_deploy.builder.build import build
    from ltp_deploy.bundle.native import cmake_dir
    from ltp_deploy.bundle.options import BuildOptions
    from ltp_deploy.errors import (
        BundleError,
        CheckpointError,
        DeadlineExceeded,
        EngineClosed,
        EngineFailed,
        InputError,
        LtpError,
        Overloaded,
    )
    from ltp_deploy.heads.prediction import Prediction
    from ltp_deploy.runtime.drift import Drift
    from ltp_deploy.runtime.engine import Engine, load
    from ltp_deploy.runtime.result import Result
    from ltp_deploy.verification.verify import verify

__version__ = "0.1.0"
__all__ = [
    "BuildOptions",
    "BundleError",
    "CheckpointError",
    "DeadlineExceeded",
    "Drift",
    "Engine",
    "EngineClosed",
    "EngineFailed",
    "InputError",
    "LtpError",
    "Overloaded",
    "Prediction",
    "Result",
    "__version__",
    "build",
    "cmake_dir",
    "load",
    "verify",
]

_EXPORTS = {
    "BuildOptions": "bundle.options",
    "BundleError": "errors",
    "CheckpointError": "errors",
    "DeadlineExceeded": "errors",
    "Drift": "runtime.drift",
    "Engine": "runtime.engine",
    "EngineClosed": "errors",
    "EngineFailed": "errors",
    "InputError": "errors",
    "LtpError": "errors",
    "Overloaded": "errors",
    "Prediction": "heads.prediction",
    "Result": "runtime.result",
    "build": "builder.build",
    "cmake_dir": "bundle.native",
    "load": "runtime.engine",
    "verify": "verification.verify",
}


def __getattr__(name: str) -> Any:
    # `import ltp_deploy` must stay instant: backends and torch load on first use.
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"ltp_deploy.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
