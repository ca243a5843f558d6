"""Connections that each send a text, wait for its answer and send the next one.

They are light, so that the server has the cores: requests are written beforehand, and of an answer
only its status and length are read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ltp_deploy.data.examples import DataOptions, read_examples

MIXED, SHORT = CASES = ("mixed", "short")
TEXTS = 512
WARM_UP = 1.0  # seconds that do not count


@dataclass
class Load:
    """What happened between `counts` and `ends`, times of `time.perf_counter`."""

    requests: Iterator[bytes]
    counts: float
    ends: float
    waits: list[float] = field(default_factory=list)  # seconds
    errors: int = 0


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, load: Load, done: asyncio.Future[None]):
        self.load = load
        self.done = done
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.begin = time.perf_counter()
        if self.begin >= self.load.ends:
            self.transport.close()
        else:
            self.transport.write(next(self.load.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        if self.begin >= self.load.counts:
            self.load.waits.append(time.perf_counter() - self.begin)
            self.load.errors += b" 200 " not in head.partition(b"\r\n")[0]
        self.received.clear()
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.load.ends:
            self.load.errors += 1
        if not self.done.done():
            self.done.set_result(None)


async def run(
    host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float
) -> Load:
    """Load a server for so long, after a short warm-up."""
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + WARM_UP
    load = Load(itertools.cycle(requests), begin, begin + seconds)
    ended: list[asyncio.Future[None]] = []
    for _ in range(connections):
        ended.append(loop.create_future())
        done = ended[-1]
        await loop.create_connection(lambda done=done: Connection(load, done), host, port)
    await asyncio.gather(*ended)
    return load


def texts_of(data: Path, case: str) -> list[str]:
    """So many texts: of SST-2, or every fourth of IMDb."""
    options = DataOptions(limit=TEXTS)
    short = read_examples(str(data / "sst2" / "dev.tsv"), options, labels=False).texts
    if case == MIXED:
        long = read_examples(str(data / "imdb" / "test.tsv"), options, labels=False).texts
        short = [long[i // 4] if i % 4 == 3 else text for i, text in enumerate(short)]
    return [str(text) for text in short]


def as_requests(texts: Sequence[str], host: str) -> list[bytes]:
    """POST /predict for each text."""
    found = []
    for text in texts:
        body = json.dumps({"inputs": text}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        found.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return found


def summary(load: Load) -> dict[str, float]:
    """Requests per second, milliseconds until an answer, and errors."""
    centiles = statistics.quantiles(load.waits, n=100)
    return {
        "requests_per_s": len(load.waits) / (load.ends - load.counts),
        "p50_ms": 1e3 * centiles[49],
        "p99_ms": 1e3 * centiles[98],
        "errors": load.errors,
    }


def main() -> None:
    """Print the summary, with the CPU seconds that this process took, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--port", type=int, required=True, help="of a server on this machine")
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2 and imdb")
    parser.add_argument("--case", choices=CASES, default=MIXED)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    host = "127.0.0.1"
    requests = as_requests(texts_of(options.data, options.case), host)
    before = time.process_time()
    load = asyncio.run(run(host, options.port, requests, options.connections, options.seconds))
    found = {**summary(load), "generator_cpu_s": time.process_time() - before}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
