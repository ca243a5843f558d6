"""The dense model in OpenVINO: fused attention, explicit precision, padded or one by one."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from ltp_deploy.backends.openvino.session import OpenVinoSession, compile_settings
from ltp_deploy.backends.reports import import_openvino, no_usage_reports
from ltp_deploy.benchmark.baselines.baseline import BaselineRequest
from ltp_deploy.benchmark.baselines.dense import DenseModel, dense_model
from ltp_deploy.benchmark.baselines.peers import open_peer
from ltp_deploy.benchmark.runner import Feeds, Layout, Runner, padded_feeds
from ltp_deploy.compiler.int8 import INT8
from ltp_deploy.errors import LtpError, needs
from ltp_deploy.hardware.machine import describe_machine

DENSE = "OpenVINO dense, padded"
DENSE_ONE_BY_ONE = "OpenVINO dense, one by one"
PRECISIONS = ("f32", "bf16", "int8-dynamic", "int8")
SAMPLES = 128  # sequences on which the int8 baseline is calibrated
EXACT = {"avx_vnni", "avx512_vnni", "amx_int8"}  # CPU flags with which sums of bytes fit


def baselines(request: BaselineRequest) -> list[Runner]:
    """The dense model in OpenVINO at the engine's precision, padded and one by one, and the peers.

    Raises:
        LtpError: there is none at this precision, or a peer is not available.
    """
    if request.precision not in PRECISIONS:
        raise LtpError(
            f"there is no dense baseline in {request.precision} for this engine, only in "
            f"{' and '.join(PRECISIONS)}; without --against the engine alone is timed"
        )
    model = convert(dense_model(request.checkpoint, request.encoder))
    if request.precision in INT8:
        samples = request.samples[:SAMPLES]
        model = quantized(model, [padded_feeds(s, request.encoder.config) for s in samples])
    session = open_dense(model, request.activations, request.threads)
    return [
        Runner(DENSE, session, Layout.PADDED),
        Runner(DENSE_ONE_BY_ONE, session, Layout.ONE_BY_ONE),
        *(open_peer(name, request) for name in request.peers),
    ]


def convert(model: DenseModel) -> Any:
    """An `ov.Model` with named inputs of free shape; `model` must use sdpa attention."""
    ov = import_openvino()
    with warnings.catch_warnings(), no_usage_reports():
        warnings.simplefilter("ignore")  # tracing warns about every Python branch
        converted = ov.convert_model(model, example_input=model.example())
    for port, name in zip(converted.inputs, model.inputs, strict=True):
        port.get_tensor().set_names({name})
    converted.outputs[0].get_tensor().set_names({"logits"})
    return converted


def quantized(model: Any, samples: Sequence[Feeds]) -> Any:
    """A converted model in int8, as NNCF makes it for transformers (SmoothQuant included), with
    weights of 7 bits where products of whole bytes saturate: on CPUs without VNNI.

    Args:
        samples: what activation ranges are measured on.

    Raises:
        LtpError: NNCF is missing.
    """
    with needs("the dense int8 baseline needs NNCF", "int8"), no_usage_reports():
        import nncf
    logging.getLogger("nncf").setLevel(logging.ERROR)
    names = [port.get_any_name() for port in model.inputs]
    data = nncf.Dataset([{name: sample[name] for name in names} for sample in samples])
    exact = EXACT.intersection(describe_machine()["flags"])
    fix = nncf.OverflowFix.DISABLE if exact else nncf.OverflowFix.ENABLE
    return nncf.quantize(
        model,
        data,
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=fix),
    )


def open_dense(
    model: Any,
    precision: str,
    threads: int | None = None,
    shape: tuple[int, int] | None = None,
    throughput: bool = False,
) -> OpenVinoSession:
    """Compile a converted model as the engine's runtime compiles engines.

    Args:
        model: from `convert`, unchanged by this call.
        precision: "f32" or "bf16", of what is not quantised.
        shape: (B, n) to compile for that shape alone, which is a little faster.
        throughput: for several requests at once.
    """
    ov = import_openvino()
    names = [port.get_any_name() for port in model.inputs]
    model = model.clone()
    if shape is not None:
        model.reshape({name: list(shape) for name in names})
    settings = compile_settings(precision, threads, throughput)
    return OpenVinoSession(ov.Core().compile_model(model, "CPU", settings), names)
