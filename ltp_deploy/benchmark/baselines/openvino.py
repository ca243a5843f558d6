"""Dense OpenVINO, the strongest baseline on CPUs: fused attention, explicit precision."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

from ltp_deploy.backends.openvino.session import OpenVinoSession, compile_settings
from ltp_deploy.benchmark.baselines.dense import DenseModel
from ltp_deploy.benchmark.sides import Feeds
from ltp_deploy.errors import needs
from ltp_deploy.hardware.machine import describe_machine

EXACT = {"avx_vnni", "avx512_vnni", "amx_int8"}  # CPU flags with which sums of bytes fit


def convert(model: DenseModel) -> Any:
    """An `ov.Model` with named inputs of free shape; `model` must use sdpa attention."""
    import openvino as ov

    with warnings.catch_warnings():
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
    with needs("the dense int8 baseline needs NNCF", "int8"):
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
    model: Any, precision: str, threads: int | None = None, shape: tuple[int, int] | None = None
) -> OpenVinoSession:
    """Compile a converted model as the engine's runtime compiles engines.

    Args:
        model: from `convert`, unchanged by this call.
        precision: "f32" or "bf16", of what is not quantised.
        shape: (B, n) to compile for that shape alone, which is a little faster.
    """
    import openvino as ov

    names = [port.get_any_name() for port in model.inputs]
    model = model.clone()
    if shape is not None:
        model.reshape({name: list(shape) for name in names})
    settings = compile_settings(precision, threads)
    return OpenVinoSession(ov.Core().compile_model(model, "CPU", settings), names)
