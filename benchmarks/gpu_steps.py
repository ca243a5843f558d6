"""The steps of `gpu.py` in their order, each with its time: what an hour on a GPU is needed for
comes first."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
from gpu_attention import Shapes, time_attention
from gpu_engines import PLANS, check_engines
from gpu_gaps import time_gaps
from gpu_kernels import T4_PTX, build, compile_ptx, machine_code, run_tests, sanitize
from gpu_learning import check_learning
from gpu_op import check_op, launching
from gpu_products import BERT_BASE, ROWS, Sweep, sweep
from gpu_rates import time_rates
from gpu_run import Budget, Check, Row, Step
from gpu_sensors import Sensors
from gpu_speed import CASES, goals, time_engines
from gpu_tensorrt import check_tensorrt
from gpu_timing import AT_ONCE, Pace
from random_model import MINILM, ROBERTA_BASE, Shape, a21, write_checkpoint

from ltp_deploy.backends.torch_cuda.measure import local_gpu
from ltp_deploy.bundle.native import cuda_sources
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.cuda.compile import compiled, kernels, nvcc

T4 = "7.5"
SMALL = Shape(layers=4, hidden=64, heads=4, vocabulary=200)
SMALL_CASES = {"1 x 16": np.full(1, 16), "3 mixed": np.array([5, 40, 12])}
ATTENTION = Shapes(((1, 128), (32, 128), (32, 384)), 12, 64, Pace())
SMALL_ATTENTION = Shapes(((1, 16), (3, 16), (3, 40)), 2, 32, AT_ONCE)
PRODUCTS = Sweep(BERT_BASE, ROWS, Pace())
SMALL_PRODUCTS = Sweep(((192, 64), (64, 64), (256, 64), (64, 256)), (16, 32), AT_ONCE)


def compile_kernels(check: Check, budget: Budget) -> list[Row]:
    """The kernels for this GPU, and as a T4's PTX; and their C++ tests, both ways. In a rehearsal
    for a T4."""
    compiler, sources = nvcc(), cuda_sources()
    if compiler is None or sources is None:
        rows: list[Row] = [{"skipped": "compiling kernels and their C++ tests: there is no nvcc"}]
        return rows if check.rehearsal else [{"compiled": kernels().name}, *rows]
    ours = compiled(compiler, sources, check.capability) if check.rehearsal else kernels()
    rows = [{"compiled": ours.name}]
    if budget.allows("PTX for sm_75"):
        check.ptx = compile_ptx(compiler, check.folder)
        rows.append({"compiled": check.ptx.name})
    codes = {f"sm_{check.capability.replace('.', '')}": machine_code(check.capability)}
    if check.capability != T4:
        codes["PTX for sm_75"] = T4_PTX
    for code, architecture in codes.items():
        if budget.allows(f"C++ tests, {code}"):
            folder = check.folder / f"tests-{len(check.programs)}"
            check.programs[code] = build(compiler, architecture, folder)
            rows.append({"compiled": f"C++ tests, {code}"})
    return rows


def op(check: Check, budget: Budget) -> list[Row]:
    return [check_op(check.device, 2 if check.rehearsal else 30, budget)]


def op_as_ptx(check: Check, budget: Budget) -> list[Row]:
    if check.ptx is None:
        return [{"skipped": "there is no PTX for sm_75: see kernels"}]
    with launching(check.ptx):
        return [{"code": f"PTX for sm_75 on {check.chip}", **check_op("cuda", 30, budget)}]


def constants(check: Check, budget: Budget) -> list[Row]:
    gpu = local_gpu()
    found = {f.name: getattr(gpu, f.name) for f in fields(gpu) if f.name != "bucket"}
    return [{**found, "assumed": check.rehearsal}]


def products(check: Check, budget: Budget) -> list[Row]:
    plan = SMALL_PRODUCTS if check.rehearsal else PRODUCTS
    return sweep(check.device, plan, local_gpu(), budget)


def attention(check: Check, budget: Budget) -> list[Row]:
    shapes = SMALL_ATTENTION if check.rehearsal else ATTENTION
    with Sensors() as sensors:
        return time_attention(check.device, shapes, local_gpu(), sensors, budget)


def rates(check: Check, budget: Budget) -> list[Row]:
    sizes = (64, 64, AT_ONCE) if check.rehearsal else (4096, 8192, Pace(rest=2.0))
    with Sensors() as sensors:
        return time_rates(check.device, *sizes, sensors, budget)


def gaps(check: Check, budget: Budget) -> list[Row]:
    return time_gaps(check.device, 5 if check.rehearsal else 100, budget)


def times(check: Check, budget: Budget) -> list[Row]:
    shape, cases = (SMALL, SMALL_CASES) if check.rehearsal else (ROBERTA_BASE, CASES)
    return time_engines(_random(check, shape), check.device, check.seconds, cases, budget)


def engines(check: Check, budget: Budget) -> list[Row]:
    checkpoints = [_random(check, SMALL if check.rehearsal else MINILM)]
    checkpoints += [check.checkpoint] if check.checkpoint else []
    options = BuildOptions("torch-cuda")
    return [
        row
        for path in checkpoints
        for row in check_engines(path, options, PLANS, check.rehearsal, budget)
    ]


def tensorrt(check: Check, budget: Budget) -> list[Row]:
    shape = SMALL if check.rehearsal else MINILM
    cases = SMALL_CASES if check.rehearsal else {n: CASES[n] for n in ("1 x 128", "32 x 128")}
    path = _random(check, shape)
    return check_tensorrt(path, check.capability, cases, check.rehearsal, budget)


STEPS = (
    Step("kernels", 60, compile_kernels),
    Step("op", 15, op),
    Step(
        "op, PTX for sm_75",
        20,
        op_as_ptx,
        needs_gpu="a driver compiles it; tests/cuda/test_ptx.py interprets it",
    ),
    Step("constants", 5, constants),
    Step("products", 65, products),
    Step("attention", 45, attention),
    Step("rates", 10, rates),
    Step("gaps", 5, gaps),
    Step("times", 80, times),
    Step("goals", 1, lambda check, _: goals(check.rows["times"], check.rows["attention"])),
    Step("engines", 50, engines),
    Step("learning", 30, lambda check, budget: check_learning(_random(check, SMALL), budget)),
    Step("tensorrt", 45, tensorrt),
    Step(
        "kernel tests",
        25,
        lambda check, budget: run_tests(check.programs, budget),
        needs_gpu="they run in emulation: `make cpp-test`",
    ),
    Step(
        "sanitizers",
        120,
        lambda check, budget: sanitize(nvcc(), check.programs, budget),
        needs_gpu="compute-sanitizer watches programs on a GPU; those in emulation have GCC's",
    ),
)


def _random(check: Check, shape: Shape) -> Path:
    path = check.folder / f"random-{shape.hidden}"
    if not path.exists():
        write_checkpoint(path, shape, a21(shape.layers))
    return path
