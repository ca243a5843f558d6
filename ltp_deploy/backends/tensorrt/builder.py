"""ONNX file -> serialized engine, in a process of its own.

The parser may abort its process (see `child_environment`), and what it loads stays in memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ltp_deploy.backends.tensorrt.library import LIBRARIES, child_environment
from ltp_deploy.errors import LtpError

Range = tuple[int, int, int]  # least, most usual, most


@dataclass(frozen=True)
class EngineJob:
    """What to build.

    Attributes:
        library: the name of the one that builds.
        onnx: the file to read, fp16, with `LtpPrunedAttention` nodes.
        engine: the file to write.
        compute_capability: of the GPU, as in "7.5".
        plugin: the C++ plugin, or None to build with the Python one.
        shapes: the range of each input's one dimension.
    """

    library: str
    onnx: str
    engine: str
    compute_capability: str
    plugin: str | None
    shapes: dict[str, Range]


@dataclass(frozen=True)
class BuiltEngine:
    """What was built: the library's version and the engine's layers, see `layers`."""

    version: str
    layers: list[dict[str, Any]]
    seconds: float
    peak_mib: float


def build_engine(job: EngineJob) -> BuiltEngine:
    """Build the engine.

    Raises:
        LtpError: the library refused, with its own words.
    """
    library = LIBRARIES[job.library]
    with TemporaryDirectory() as folder, child_environment(library) as environment:
        order, answer = Path(folder) / "job.json", Path(folder) / "answer.json"
        order.write_text(json.dumps(asdict(job)))
        child = subprocess.run(
            [sys.executable, "-m", "ltp_deploy.backends.tensorrt.child", str(order), str(answer)],
            env={**environment, "PYTHONPATH": _search_path()},
            capture_output=True,
            text=True,
        )
        if child.returncode or not answer.is_file():
            words = "\n".join((child.stderr or child.stdout).strip().splitlines()[-12:])
            raise LtpError(f"{library.title} did not build the engine:\n{words}")
        return BuiltEngine(**json.loads(answer.read_text()))


def _search_path() -> str:
    return ":".join(path for path in sys.path if path)
