"""Whether the server's memory stays flat under load: `python benchmarks/soak.py BUNDLE --data
FOLDER`; see README.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from http_load import MIXED, as_requests, run, summary, texts_of
from serve import HERE, RESULTS, Server, resident_mib, running

from ltp_deploy.hardware.machine import describe_machine

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with sst2 and imdb")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=30, help="seconds between two looks")
    parser.add_argument("--options", default="", help="more options of the server")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/")
    options = parser.parse_args()
    command = ["-m", "ltp_deploy.cli", "serve", f"model={options.bundle}", "--port", "PORT"]
    server = Server([*command, *options.options.split()], HERE.parent)
    result = {
        "machine": describe_machine(),
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "load_before": os.getloadavg(),
        "connections": options.connections,
    }
    with running(server) as (process, port):
        result |= asyncio.run(soak(process.pid, port, options))
    output = options.output or RESULTS / f"soak-{options.bundle.name}.json"
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {output}")


async def soak(pid: int, port: int, options: argparse.Namespace) -> dict[str, Any]:
    """The server's memory while it is loaded, and what its clients saw."""
    requests = as_requests(texts_of(options.data, MIXED), HOST)
    seconds = 60 * options.minutes
    load = asyncio.create_task(run(HOST, port, requests, options.connections, seconds))
    begin = time.monotonic()
    looks: list[tuple[float, float]] = []
    while not load.done():
        await asyncio.wait([load], timeout=options.every)
        looks.append((time.monotonic() - begin, resident_mib(pid)))
        print(f"{looks[-1][0]:.0f} s: {looks[-1][1]:.1f} MiB", flush=True)
    return {**summary(await load), **trend(looks)}


def trend(looks: list[tuple[float, float]]) -> dict[str, Any]:
    """Memory in MiB over time, and how it grew.

    Args:
        looks: (seconds, MiB), two at least.
    """
    seconds, mib = np.array(looks).T
    later = seconds >= seconds[-1] / 2  # the first half fills pools and caches
    if later.sum() < 2:
        later[:] = True
    slope = np.polyfit(seconds[later] / 3600, mib[later], 1)[0]
    return {
        "mib_per_hour_in_second_half": float(slope),
        "first_mib": float(mib[0]),
        "last_mib": float(mib[-1]),
        "most_mib": float(mib.max()),
        "looks": [[round(s, 1), round(m, 2)] for s, m in looks],
    }


if __name__ == "__main__":
    main()
