"""OpenVINO, NNCF and ONNX Runtime without the usage reports that they send."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

_VARIABLES = {"CI": "true", "ORT_DISABLE_TELEMETRY": "1"}


@contextmanager
def no_usage_reports() -> Iterator[None]:
    """Around imports of these packages, and around conversions: none of them is reported.

    OpenVINO and NNCF ask for a file in the user's home folder, which is not ours to write, and for
    the variable by which a continuous integration makes itself known; ONNX Runtime for one of its
    own, without which it also starts a thread for which forked processes wait at their end. A
    process that has told them otherwise, by using them before, keeps its own choice.

    A user without a name, as containers have them, may have no home; OpenVINO's import would fail.
    """
    variables = _VARIABLES if _has_home() else {**_VARIABLES, "HOME": os.devnull}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _has_home() -> bool:
    try:
        Path.home()
    except RuntimeError:
        return False
    return True


def import_openvino() -> Any:
    """The module `openvino`, whose first import would be reported."""
    return _import("openvino")


def import_onnxruntime() -> Any:
    """The module `onnxruntime`, which would report from its first import on."""
    return _import("onnxruntime")


def _import(module: str) -> Any:
    if module not in sys.modules:  # else other threads may be reading the environment
        with no_usage_reports():
            import_module(module)
    return sys.modules[module]
