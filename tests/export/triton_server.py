"""A real tritonserver, out of the wheel nvidia-pytriton."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
READY = 120  # seconds


@dataclass(frozen=True)
class Ports:
    http: int
    grpc: int


@contextmanager
def running(python: str, models: Path, work: Path) -> Iterator[Ports]:
    """Serve a model repository until the block ends.

    Args:
        python: of an environment with nvidia-pytriton and what a bundle needs; NumPy is older than
            2 there, since the wheel's python backend crashes at strings of a newer one.
        work: an empty folder.
    """
    code = "import pytriton, sys; print(*sys.version_info[:2], sep='.'); print(*pytriton.__path__)"
    version, where = subprocess.check_output([python, "-c", code], text=True).splitlines()
    package, backend = Path(where), work / "backends" / "python"
    shutil.copytree(package / "tritonserver" / "backends" / "python", backend)
    stub = "triton_python_backend_stub"
    shutil.copy2(package / "tritonserver" / "python_backend_stubs" / version / stub, backend / stub)
    ports = Ports(_free(), _free())
    command = [
        str(package / "tritonserver" / "bin" / "tritonserver"),
        f"--model-repository={models}",
        f"--backend-directory={work / 'backends'}",
        *(f"--http-port={ports.http}", f"--grpc-port={ports.grpc}"),
        *("--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--allow-metrics=false"),
    ]
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(package.parent / "nvidia_pytriton.libs"),
        "PATH": f"{_environment(python, package.parent, work / 'env')}:{os.environ['PATH']}",
    }
    with (work / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(server, ports, work / "log.txt")
        yield ports
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _environment(python: str, packages: Path, folder: Path) -> Path:
    """The programs of an environment with these packages, and this checkout before them. The python
    backend takes the first Python of PATH, and heeds no PYTHONPATH."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    (own,) = folder.glob("lib/*/site-packages")
    (own / "here.pth").write_text(f"{CHECKOUT}\n{packages}\n")
    return folder / "bin"


def _wait(server: subprocess.Popen[bytes], ports: Ports, log: Path) -> None:
    end = time.monotonic() + READY
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ports.http}/v2/health/ready", timeout=5)
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server is not ready:\n{log.read_text()[-4000:]}")


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
