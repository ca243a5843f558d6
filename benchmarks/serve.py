"""Our server under load, in turns with others; see README.md.

Usage: python benchmarks/serve.py BUNDLE --data FOLDER [--checkpoint CHECKPOINT]
           [--baseline CHECKOUT --baseline-bundle BUNDLE]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from http_load import CASES

from ltp_deploy.hardware.machine import describe_machine

HERE = Path(__file__).parent
RESULTS = HERE / "results"
OURS, SUBMIT, DENSE = "ours", "FastAPI over submit", "dense OpenVINO, padded in buckets"
STARTS = 120.0  # seconds within which a server is ready


@dataclass(frozen=True)
class Server:
    """How a server is started; PORT in its command is its port."""

    command: Sequence[str]
    path: Path  # PYTHONPATH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2 and imdb")
    parser.add_argument("--checkpoint", type=Path, help="of the bundle, for the dense server")
    parser.add_argument("--baseline", type=Path, help="checkout whose `submit` is compared with")
    parser.add_argument("--baseline-bundle", type=Path, help="of that version")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--options", default="", help="more options of our server")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/")
    options = parser.parse_args()
    result = {
        "machine": describe_machine(),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "connections": options.connections,
        "seconds": options.seconds,
        "cases": {case: measure(case, options) for case in options.cases.split(",")},
        "load_after": os.getloadavg(),
    }
    output = options.output or RESULTS / f"serve-{options.bundle.name}.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {output}")


def servers(options: argparse.Namespace) -> dict[str, Server]:
    """Those that are to take turns, by name."""
    root, bundle = HERE.parent, str(options.bundle)
    serve = ["-m", "ltp_deploy.cli", "serve", f"model={bundle}", "--port", "PORT"]
    found = {OURS: Server([*serve, *options.options.split()], root)}
    if options.baseline:
        given = str(options.baseline_bundle or bundle)
        found[SUBMIT] = Server([str(HERE / "serve_submit.py"), given, "PORT"], options.baseline)
    if options.checkpoint:
        dense = [str(HERE / "serve_dense.py"), str(options.checkpoint), bundle, "PORT"]
        found[DENSE] = Server(dense, root)
    return found


def measure(case: str, options: argparse.Namespace) -> dict[str, Any]:
    """Each server by name: its rounds, and the medians of what they found."""
    started = servers(options)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in started}
    for number in range(options.rounds):
        for name in list(started)[:: 1 if number % 2 == 0 else -1]:
            with running(started[name]) as (process, port):
                before = cpu_seconds(process.pid)
                found = load(port, case, options)
                found["server_cpu_s"] = cpu_seconds(process.pid) - before
                found["server_rss_mib"] = resident_mib(process.pid)
            rounds[name].append(found)
            print(case, name, {key: round(value, 1) for key, value in found.items()}, flush=True)
    return {
        name: {
            "median": {key: statistics.median(r[key] for r in found) for key in found[0]},
            "rounds": found,
        }
        for name, found in rounds.items()
    }


def load(port: int, case: str, options: argparse.Namespace) -> dict[str, float]:
    """What the load generator finds, a process of its own."""
    command = [sys.executable, HERE / "http_load.py", "--port", port, "--data", options.data]
    command += ["--case", case, "--connections", options.connections]
    command += ["--seconds", options.seconds]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [str(word) for word in command], env=environment, check=True, stdout=subprocess.PIPE
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def running(server: Server) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """(process, port) of a server that is ready; ended afterwards."""
    port = free_port()
    command = [str(port) if word == "PORT" else word for word in server.command]
    environment = {**os.environ, "PYTHONPATH": str(server.path)}
    process = subprocess.Popen([sys.executable, *command], env=environment, cwd=server.path)
    try:
        wait_until_ready(process, port)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STARTS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    ends = time.monotonic() + STARTS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready"):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit(f"the server did not start: {process.args}")


def tree(pid: int) -> list[int]:
    """A process and all that it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Of a process and those that it has started."""
    ticks = 0
    for one in tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Proportional, so that what several processes share counts once."""
    found = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found += int(line.split()[1])
    return found / 1024


if __name__ == "__main__":
    main()
