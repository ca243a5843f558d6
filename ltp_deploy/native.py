"""Where the compiled parts of this package are."""

from __future__ import annotations

import os
from pathlib import Path

from ltp_deploy.errors import LtpError

PACKAGE = Path(__file__).parent


def openvino_plugin() -> Path:
    """The OpenVINO extension library, or `LTP_OPENVINO_PLUGIN` where that is set.

    Raises:
        LtpError: it was not built.
    """
    override = os.environ.get("LTP_OPENVINO_PLUGIN")
    path = Path(override) if override else PACKAGE / "lib" / "libltp_openvino.so"
    if not path.is_file():
        raise LtpError(
            f"the OpenVINO plugin is not at {path}; build it with `pip install .` from the "
            "source tree (needs cmake and a C++17 compiler)"
        )
    return path
