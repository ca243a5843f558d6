"""TensorRT engines for the GPU that is present: against the oracle, and their times."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from gpu_engines import check_engines
from gpu_run import Budget, Row

from ltp_deploy.backends.backend import Target
from ltp_deploy.backends.tensorrt import TensorRt
from ltp_deploy.backends.tensorrt.library import choose_library
from ltp_deploy.backends.torch_cuda.measure import local_gpu
from ltp_deploy.benchmark.workload import random_requests
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.compiler.cost import GpuCost
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.timing import interleave
from ltp_deploy.runtime.engine import load
from ltp_deploy.targets import TARGETS

NAME = "tensorrt-here"
PLANS = ("auto", "all")
ITERATIONS = 200


class _Here(TensorRt):
    """TensorRT whose plans rest on the GPU that is present, whichever it is."""

    def cost(self, target: Target, precision: str) -> GpuCost:
        return replace(local_gpu(), bucket=float, tensorrt=True)


def check_tensorrt(
    checkpoint: Path,
    capability: str,
    cases: dict[str, np.ndarray],
    portable: bool,
    budget: Budget,
) -> list[Row]:
    """Build a model for a compute capability, compare it with the oracle, and time it.

    Args:
        cases: [B] lengths by the name of a request.
        portable: run the same model in ONNX Runtime, where there is no GPU.
    """
    try:
        library = choose_library(capability)
    except LtpError as error:
        return [{"skipped": f"no tensorrt or tensorrt_rtx: {error}"}]
    options = BuildOptions(NAME, portable=portable)
    target = replace(TARGETS["t4"], name=NAME, backend=_Here(), compute_capability=capability)
    with mock.patch.dict(TARGETS, {NAME: target}):
        rows = check_engines(checkpoint, options, PLANS, portable, budget)
        rows += _times(checkpoint, options, cases, portable, budget)
    return [{"library": library.name, **row} for row in rows]


def _times(
    checkpoint: Path,
    options: BuildOptions,
    cases: dict[str, np.ndarray],
    portable: bool,
    budget: Budget,
) -> list[Row]:
    """Milliseconds of a request, from the host's ids to its logits; an engine for each size."""
    rows = []
    for name, lengths in cases.items():
        if not budget.allows(name):
            continue
        limits = replace(
            options,
            usual_batch=len(lengths),
            max_batch=len(lengths),
            max_tokens=int(lengths.sum()),
            max_length=int(lengths.max()),
        )
        with tempfile.TemporaryDirectory() as folder:
            build(checkpoint, Path(folder) / "bundle", limits)
            with load(Path(folder) / "bundle", portable=portable) as engine:
                (request,) = random_requests(engine.config, [lengths])
                for _ in range(3):
                    engine.run(request)
                iterations = 1 if portable else ITERATIONS
                call = [lambda engine=engine, request=request: engine.run(request)]
                timings = interleave({name: call}, iterations=iterations, title=name)[name]
        rows.append({"case": name, "ms": 1e3 * timings.percentile(50)})
    return rows
