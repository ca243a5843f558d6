"""ONNX file -> serialized engine, built in a child process.

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

from ltp_deploy.backends.tensorrt.library import LIBRARIES, LibraryName, child_environment
from ltp_deploy.errors import LtpError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class EngineJob:
    """What to build.

    Attributes:
        library: a key of `LIBRARIES`.
        onnx: the path of the model to read, in fp16 and with `LtpPrunedAttention` nodes.
        engine: the path of the file to write.
        compute_capability: of the GPU that the engine is for, such as "7.5".
        plugin: the path of the C++ plugin, or None to build with the Python one.
        profiles: the optimisation profiles: the least, the most usual and the greatest shape of
            each of the model's inputs, by its name.
    """

    library: LibraryName
    onnx: str
    engine: str
    compute_capability: str
    plugin: str | None
    profiles: tuple[dict[str, tuple[Shape, ...]], ...]


@dataclass(frozen=True)
class BuiltEngine:
    """What was built.

    Attributes:
        version: of the library.
        layers: of the engine, as `read_layers` gives them.
        seconds: that parsing and building took.
        peak_mib: the most memory that the child process held.
    """

    version: str
    layers: list[dict[str, Any]]
    seconds: float
    peak_mib: float


def build_engine(job: EngineJob) -> BuiltEngine:
    """Build an engine.

    Raises:
        LtpError: the library refused; the message ends with the library's own.
    """
    library = LIBRARIES[job.library]
    with TemporaryDirectory() as folder, child_environment(library) as environment:
        request, answer = Path(folder) / "job.json", Path(folder) / "answer.json"
        request.write_text(json.dumps(asdict(job)))
        child = subprocess.run(
            [sys.executable, "-m", "ltp_deploy.backends.tensorrt.child", str(request), str(answer)],
            env={**environment, "PYTHONPATH": _search_path()},
            capture_output=True,
            text=True,
        )
        if child.returncode or not answer.is_file():
            message = "\n".join((child.stderr or child.stdout).strip().splitlines()[-12:])
            raise LtpError(f"{library.title} did not build the engine:\n{message}")
        return BuiltEngine(**json.loads(answer.read_text()))


def _search_path() -> str:
    """Where this process finds modules, for the child to find the same ones."""
    return ":".join(path for path in sys.path if path)
