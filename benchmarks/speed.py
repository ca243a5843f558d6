"""Engines of this project against dense OpenVINO of the same precision, interleaved in one
process."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from avx2 import clamp_products
from cases import all_cases

from ltp_deploy.backends.backend import RunOptions
from ltp_deploy.backends.table import open_session
from ltp_deploy.benchmark.baselines.dense import dense_model
from ltp_deploy.benchmark.baselines.openvino import convert, open_dense, quantized
from ltp_deploy.benchmark.run import difference, survivors
from ltp_deploy.benchmark.runner import Layout, Runner, padded_feeds
from ltp_deploy.benchmark.work import multiply_adds
from ltp_deploy.benchmark.workload import Case
from ltp_deploy.builder.build import compile_engine
from ltp_deploy.builder.draft import draft_encoder
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.calibration.ranges import activation_ranges
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.data.batch import pack
from ltp_deploy.hardware.timing import Timings, interleave
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import authors_ratio

OURS, UNPRUNED, DENSE = "ours", "ours, nothing pruned", "dense OpenVINO"
OURS_F32 = "ours in f32"  # timed with engines in other precisions
# Timed with engines in int8. What is not int8 in the dense model is bf16, OpenVINO's choice on
# CPUs that have it, or f32, which is faster on those that have bf16 without AMX.
DENSE_F32 = "dense OpenVINO in f32"
DENSE_BESIDE_F32 = "dense OpenVINO, f32 beside int8"
# The last layer carries only first tokens; these engines compute all of it, which shows what that
# saves.
WHOLE = ", whole last layer"


def measure(
    checkpoint: Path,
    precision: str,
    isa: str | None,
    threads: int | None,
    iterations: dict[str, int],
    pruned: bool = True,
) -> dict[str, Any]:
    """Time every runner on every case; the result is ready for JSON.

    Args:
        isa: "avx2" makes OpenVINO use nothing newer; other limits need only the environment.
        iterations: by case name; cases without a number are left out.
        pruned: False compares only the engine that prunes nothing with the dense model.
    """
    encoder = load_encoder(checkpoint)
    unpruned = encoder.unpruned()
    variants = {UNPRUNED: (unpruned, False)}
    if pruned:
        variants = {
            OURS: (encoder, False),
            OURS + WHOLE: (encoder, True),
            **variants,
            UNPRUNED + WHOLE: (unpruned, True),
        }
    dense = convert(dense_model(checkpoint, encoder))
    if isa == "avx2":
        clamp_products(dense)
    cases = all_cases(encoder.config)
    models, ranges = {DENSE: (dense, precision)}, {}
    if precision.startswith("int8"):
        requests = [request for case in cases for request in case.requests]
        samples = pack([s for r in requests for s in np.split(r.input_ids, r.offsets[1:-1])])
        singles = [samples.select([i]) for i in range(samples.sequences)]
        feeds = [padded_feeds(single, encoder.config) for single in singles]
        models = {DENSE_F32: (dense, "f32")}
        if isa != "avx2":  # where oneDNN's int8 products could not be held to AVX2
            dense_int8 = quantized(dense, feeds)
            models[DENSE] = (dense_int8, "bf16")
            models[DENSE_BESIDE_F32] = (dense_int8, "f32")
        if precision == "int8":
            ranges = activation_ranges(encoder, samples)
    with tempfile.TemporaryDirectory() as folder:
        engines = [
            _packed(name, source, whole, precision, isa, threads, ranges, Path(folder) / str(i))
            for i, (name, (source, whole)) in enumerate(variants.items())
        ]
        if precision != "f32":
            f32 = Path(folder) / "f32"
            engines.append(_packed(OURS_F32, encoder, False, "f32", isa, threads, {}, f32))
        return {
            case.name: _case(encoder, case, engines, models, threads, iterations[case.name])
            for case in cases
            if case.name in iterations
        }


def _packed(
    name: str,
    encoder: Encoder,
    whole: bool,
    precision: str,
    isa: str | None,
    threads: int | None,
    ranges: dict[str, ActivationRange],
    folder: Path,
) -> Runner:
    """An engine built into `folder`; `whole`: it computes its last layer for all tokens."""
    folder.mkdir()
    target = "haswell" if isa == "avx2" else "cpu"
    options = BuildOptions(target, precision, whole)
    compiled = compile_engine(draft_encoder(encoder, options, ranges), folder)
    session = open_session(folder, compiled, RunOptions(threads))
    prunes = encoder.config.policy.prunes
    return Runner(name, session, Layout.PACKED, prunes=prunes, carries=compiled.plan.carries)


def _case(
    encoder: Encoder,
    case: Case,
    packed: list[Runner],
    models: dict[str, tuple[Any, str]],
    threads: int | None,
    iterations: int,
) -> dict[str, Any]:
    """Time one case.

    Args:
        packed: the engines of this project.
        models: dense models by name, each with the precision of what is not quantised in it.
    """
    (request,) = case.requests
    shape = (request.sequences, int(request.lengths.max()))
    dense = [
        Runner(name, open_dense(model, precision, threads, shape), Layout.PADDED)
        for name, (model, precision) in models.items()
    ]
    runners = [*packed, *dense]
    config = encoder.config
    calls = {runner.name: [runner.prepare(request, config)] for runner in runners}
    answers = {name: np.asarray(call()) for name, (call,) in calls.items()}
    for (call,) in calls.values():  # once more: the first run prepared the shape
        call()
    timings = interleave(calls, iterations=iterations, title=case.name)
    profile = survivors(encoder, case)
    work = {r.name: multiply_adds(r, case, config, profile) for r in runners}
    return {
        "shape": shape,
        "tokens": int(request.lengths.sum()),
        "flops_ratio_authors": authors_ratio(config, profile.alive),
        "baseline_difference": difference(answers[UNPRUNED], answers[dense[0].name]),
        "sides": {
            runner.name: {**_times(timings[runner.name]), "multiply_adds": work[runner.name]}
            | {"matrix_products": matrix_products(runner.session)}
            for runner in runners
        },
    }


def _times(timings: Timings) -> dict[str, Any]:
    quartiles = {f"{key}_ms": 1e3 * timings.percentile(q) for key, q in QUARTILES.items()}
    return {"iterations": len(timings.samples[0]), **quartiles}


QUARTILES = {"median": 50, "lower_quartile": 25, "upper_quartile": 75, "fastest": 0}


def matrix_products(session: Any) -> dict[str, int]:
    """How often OpenVINO picked each of its kernels for products with weights."""
    found: dict[str, int] = {}
    for node in session.compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if info["layerType"].astype(str) == "FullyConnected":
            kernel = info["primitiveType"].astype(str)
            found[kernel] = found.get(kernel, 0) + 1
    return found
