"""Dense OpenVINO, the strongest baseline on CPUs: fused attention, explicit precision."""

from __future__ import annotations

import warnings
from typing import Any

from ltp_deploy.benchmark.dense import DenseModel
from ltp_deploy.runtime.openvino_session import OpenVinoSession, compile_settings


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


def open_dense(
    model: Any, precision: str, threads: int | None = None, shape: tuple[int, int] | None = None
) -> OpenVinoSession:
    """Compile a converted model as the engine's runtime compiles engines.

    Args:
        model: from `convert`, unchanged by this call.
        precision: "f32" or "bf16".
        shape: (B, n) to compile for that shape alone, which is a little faster.
    """
    import openvino as ov

    names = [port.get_any_name() for port in model.inputs]
    model = model.clone()
    if shape is not None:
        model.reshape({name: list(shape) for name in names})
    settings = compile_settings(precision, threads)
    return OpenVinoSession(ov.Core().compile_model(model, "CPU", settings), names)
