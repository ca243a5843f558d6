"""OpenVINO and NNCF without the usage reports that their Python packages send."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

_MODULE, _VARIABLE = "openvino", "CI"


@contextmanager
def no_usage_reports() -> Iterator[None]:
    """Around imports of OpenVINO and NNCF, and around conversions: none of them is reported.

    The packages ask for a file in the user's home folder, which is not ours to write, and for the
    variable by which a continuous integration makes itself known. A process that has told them
    otherwise, by using them before, keeps its own choice.
    """
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before


def import_openvino() -> Any:
    """The module `openvino`, whose first import would be reported."""
    if _MODULE not in sys.modules:  # else other threads may be reading the environment
        with no_usage_reports():
            import_module(_MODULE)
    return sys.modules[_MODULE]
