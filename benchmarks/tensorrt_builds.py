"""Measure time and memory of building engines for a T4, for models of several sizes.

Usage: python benchmarks/tensorrt_builds.py [--out benchmarks/results/tensorrt-builds.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from random_model import MINILM, ROBERTA_BASE, Shape, a21, write_checkpoint

SHAPES = {
    "MiniLM": MINILM,
    "RoBERTa-base": ROBERTA_BASE,
    "RoBERTa-large": Shape(24, 1024, 16, 50265),
}
BUILD = """
import json, sys, time
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.codec import to_json
from ltp_deploy.hardware.memory import peak_mib
start = time.perf_counter()
manifest = build(sys.argv[1], sys.argv[2], BuildOptions("t4"))
seconds = time.perf_counter() - start
engine = manifest.engine
print(json.dumps({
    "library": engine.library,
    "version": manifest.version(engine.library),
    "engine_seconds": engine.built.seconds,
    "engine_peak_mib": engine.built.peak_mib,
    "all_seconds": round(seconds, 1),
    "export_peak_mib": round(peak_mib()),
    "compacts_at": [i for i, c in enumerate(manifest.plan.carries) if c.name == "SURVIVORS"],
    "layers": to_json(engine.layers),
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "tensorrt-builds.json")
    options = parser.parse_args()
    found = {}
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            checkpoint, bundle = Path(folder) / "checkpoint", Path(folder) / "bundle"
            write_checkpoint(checkpoint, shape, a21(shape.layers))
            command = [sys.executable, "-c", BUILD, str(checkpoint), str(bundle)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[name] = json.loads(output.strip().splitlines()[-1])
            found[name]["engine_mb"] = round((bundle / "engine.plan").stat().st_size / 1e6)
        print(name, json.dumps(found[name]))
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
