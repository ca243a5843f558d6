"""Prove and time the CUDA kernels on an NVIDIA GPU: `make gpu-check`; see README.md.

Takes ten minutes at most. Needs nvcc, PyTorch with CUDA, transformers and cuda-python, and no
network. The exit status is 1 if something is wrong; a missed goal is only reported.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_kernels import build, check, sanitize
from gpu_learning import check_learning
from gpu_numerics import check_engines, check_op
from gpu_speed import CASES, goals, time_engines, time_kernels
from random_model import MINILM, ROBERTA_BASE, Shape, a21, write_checkpoint

from ltp_deploy.backends.torch_cuda.measure import local_gpu
from ltp_deploy.cuda.compile import kernels, nvcc
from ltp_deploy.hardware.gpu import gpus
from ltp_deploy.hardware.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
DEMO = Path(__file__).parents[1] / "out" / "demo" / "model"
SMALL = Shape(layers=4, hidden=64, heads=4, vocabulary=200)
REHEARSAL = {"1 x 16": np.full(1, 16), "3 mixed": np.array([5, 40, 12])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    demo = DEMO if DEMO.exists() else None
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=demo,
        help="checked too, besides random ones; default: `make demo`'s",
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="of timing, per case")
    parser.add_argument("--rehearse", action="store_true", help="the parts that need no GPU, small")
    parser.add_argument("-o", "--output", type=Path, help="default: in results/, named by the GPU")
    options = parser.parse_args()
    present = gpus()
    if not options.rehearse and not (present and torch.cuda.is_available()):
        sys.exit(
            f"no GPU: the driver finds {len(present)}, and PyTorch {torch.__version__} "
            f"{'finds one' if torch.cuda.is_available() else 'none'}; --rehearse runs the rest"
        )
    begin, begun = time.perf_counter(), time.strftime("%FT%T")
    chip = re.sub(r"[^a-z0-9]+", "-", (present[0].name if present else "none").lower())
    output = options.output or RESULTS / f"gpu-{chip}.json"
    steps = _rehearsal(options) if options.rehearse else _steps(options, present[0])
    parts: dict[str, list[dict[str, Any]]] = {}
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, step in steps.items():
            started = time.perf_counter()
            parts[name] = _attempt(step, Path(folder), parts)
            print(f"\n{name}, {time.perf_counter() - started:.0f} s", flush=True)
            _print(parts[name])
            failed += [name] * any(row.get("passed") is False for row in parts[name])
            result = {
                "machine": describe_machine(),
                "begun": begun,
                "seconds": round(time.perf_counter() - begin),
                "failed": failed,
                **parts,
            }
            if options.output or not options.rehearse:  # after each step: one may be killed
                output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{'FAILED: ' + ', '.join(failed) if failed else 'everything passed'}")
    sys.exit(1 if failed else 0)


def _attempt(step: Any, folder: Path, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a step returns, or one row with the error if it fails: others still run."""
    try:
        return step(folder, parts)
    except Exception as error:
        traceback.print_exc()
        return [{"passed": False, "message": f"{type(error).__name__}: {error}"}]


def _steps(options: argparse.Namespace, gpu: Any) -> dict[str, Any]:
    """The steps by name, in order. Each is called with a folder and the results so far."""
    compiler, programs = nvcc(), list[Path]()

    def kernel_tests(folder: Path, _: Any) -> list[dict[str, Any]]:
        if compiler is None:
            return [{"test": "all", "passed": None, "message": "no nvcc to compile them"}]
        programs.extend(build(compiler, gpu.compute_capability, folder))
        return check(programs)

    return {
        "kernels": lambda *_: [{"compiled": kernels().name}],
        "op": lambda *_: [check_op("cuda", rounds=30)],
        "engines": lambda folder, _: _check_engines(folder, options, MINILM, "cuda"),
        "learning": lambda folder, _: check_learning(_random(folder, SMALL)),
        "kernel tests": kernel_tests,
        "constants": lambda *_: [asdict(local_gpu())],
        "kernel times": lambda *_: time_kernels(local_gpu()),
        "times": lambda folder, _: time_engines(
            _random(folder, ROBERTA_BASE), "cuda", options.seconds, CASES
        ),
        "goals": lambda _, result: goals(result["times"], result["kernel times"]),
        "sanitizers": lambda *_: sanitize(compiler, programs) if compiler else [],
    }


def _rehearsal(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "op": lambda *_: [check_op("cpu", rounds=2)],
        "engines": lambda folder, _: _check_engines(folder, options, SMALL, "cpu"),
        "learning": lambda folder, _: check_learning(_random(folder, SMALL)),
        "times": lambda folder, _: time_engines(_random(folder, SMALL), "cpu", 0, REHEARSAL),
        "goals": lambda _, result: goals(result["times"], []),
    }


def _random(folder: Path, shape: Shape) -> Path:
    path = folder / f"random-{shape.hidden}"
    if not path.exists():
        write_checkpoint(path, shape, a21(shape.layers))
    return path


def _check_engines(
    folder: Path, options: argparse.Namespace, shape: Shape, device: str
) -> list[dict[str, Any]]:
    checkpoints = [_random(folder, shape), *filter(None, [options.checkpoint])]
    return [
        {"checkpoint": path.name, **row}
        for path in checkpoints
        for row in check_engines(path, device)
    ]


def _print(rows: list[dict[str, Any]]) -> None:
    """Print a plain table: no package for tables need be installed."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_short(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  " + "  ".join(padded).rstrip())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    return text if len(text) < 80 else f"...{text[-80:]}"


if __name__ == "__main__":
    main()
