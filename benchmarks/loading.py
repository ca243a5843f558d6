"""What loading a bundle of BERT-base's size takes: time, and memory beside another process.

    python benchmarks/loading.py

builds the bundles with random weights, and loads each in fresh processes after everything was
imported and the files are in the page cache. Memory is that of a process beside another one with
the same bundle, and for comparison that of one with OpenVINO's smallest model.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from random_model import BERT_BASE, a21, write_checkpoint

from ltp_deploy import BuildOptions, build
from ltp_deploy.hardware.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
MEMORY = """
import json, sys, time
def memory():
    lines = open("/proc/self/smaps_rollup").read().splitlines()[1:]
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return {name: round(kib[name] / 1024, 1) for name in ("Rss", "Pss", "Private_Dirty")}
"""
LOAD = """
import openvino, ltp_deploy.backends.openvino.session
from ltp_deploy.runtime.engine import load
begun = time.perf_counter()
engine = load(sys.argv[1])
loaded = time.perf_counter()
engine(input_ids=[[2, 3, 4]])
print(json.dumps({"load_s": loaded - begun, **memory()}), flush=True)
sys.stdin.read()
"""
EMPTY = """
import numpy, openvino as ov
from openvino import opset13 as ops
x = ops.parameter([-1], ov.Type.f32)
compiled = ov.Core().compile_model(ov.Model([ops.result(ops.relu(x))], [x], "empty"), "CPU")
compiled([numpy.ones(1, numpy.float32)])
print(json.dumps(memory()), flush=True)
sys.stdin.read()
"""


class Process:
    """A program that prints its figures, and then waits to be ended."""

    def __init__(self, program: str, *arguments: object):
        command = [sys.executable, "-c", MEMORY + program, *map(str, arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.figures: dict[str, float] = json.loads(self._process.stdout.readline())

    def end(self) -> dict[str, float]:
        self._process.communicate()
        return self.figures


def measure(bundle: Path, repeat: int) -> dict[str, Any]:
    first = Process(LOAD, bundle)
    runs = [Process(LOAD, bundle).end() for _ in range(repeat)]
    first.end()
    times = [run["load_s"] for run in runs]
    return {
        "bundle_mib": round(sum(f.stat().st_size for f in bundle.rglob("*")) / 2**20, 1),
        "load_s": {
            "median": round(statistics.median(times), 3),
            "min": round(min(times), 3),
            "max": round(max(times), 3),
        },
        "second_process_mib": {name: runs[-1][name] for name in ("Rss", "Pss", "Private_Dirty")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The figures of loading a bundle.")
    parser.add_argument("--repeat", type=int, default=9, help="processes that load each bundle")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "loading.json")
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": describe_machine(), "load_before": os.getloadavg()}
    result["empty_openvino_mib"] = Process(EMPTY).end()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        checkpoint = Path(folder) / "model"
        write_checkpoint(checkpoint, BERT_BASE, a21(BERT_BASE.layers))
        for precision in ("f32", "bf16", "int8-dynamic"):
            bundle = Path(folder) / precision
            build(checkpoint, bundle, BuildOptions(precision=precision))
            os.sync()  # until they are written, pages of new files count as dirty
            result[precision] = measure(bundle, options.repeat)
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1), f"wrote {options.output}", sep="\n")


if __name__ == "__main__":
    main()
