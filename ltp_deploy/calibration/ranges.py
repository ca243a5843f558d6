"""Activation ranges, by NNCF's post-training quantisation of the packed graph.

It runs the graph with the op in it, so that what is measured are the rows that survive. Its
ranges and SmoothQuant factors are kept; the quantised graph itself is not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from ltp_deploy.backends.openvino import OpenVino
from ltp_deploy.backends.openvino.compile import convert
from ltp_deploy.backends.openvino.linear import module_name
from ltp_deploy.backends.openvino.nodes import PluginNodes
from ltp_deploy.backends.reports import no_usage_reports
from ltp_deploy.bundle.native import openvino_plugin
from ltp_deploy.compiler.int8 import ActivationRange
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.errors import LtpError, needs
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.encoder import Encoder

LEAST_WIDTH = 2e-3  # smoothed inputs lie around 1; NNCF gives what is always zero a width of 1.6e-3
LARGEST = 1e4  # factor of a column; NNCF gives one that is always zero 3e4 to 6e4
DIGITS = 6  # of a factor; weights and factors are both rounded far more coarsely later


def activation_ranges(encoder: Encoder, data: PackedBatch) -> dict[str, ActivationRange]:
    """Of every linear layer's input, on these sequences, by the module's name in the graph.

    An input that is zero everywhere has no range, and is left out.

    Raises:
        LtpError: NNCF is missing, or an activation is not finite.
    """
    plan = make_plan(PlanRequest(encoder.config, "f32", survivors=True))
    nodes = PluginNodes(openvino_plugin(), "f32", "")
    model = convert(lower(encoder, plan), encoder.config, plan, nodes)
    quantized = _quantized(model, encoder, data)
    found = {
        module_name(node): _range(module_name(node), node.input_value(0).get_node())
        for node in quantized.get_ordered_ops()
        if node.get_type_name() == "MatMul"
    }
    return {name: given for name, given in found.items() if given is not None}


def check_shape(config: EncoderConfig) -> None:
    """Refuse a model that cannot be measured.

    Raises:
        LtpError: the CPU kernels do not hold it.
    """
    reason = OpenVino().misfit(config, "f32")
    if reason is not None:
        raise LtpError(f"{reason}, and a calibration is measured with them")


def need_nncf() -> Any:
    """The module; or LtpError where it is missing."""
    with needs("calibration needs NNCF", "int8"), no_usage_reports():
        import nncf
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf


def _quantized(model: Any, encoder: Encoder, data: PackedBatch) -> Any:
    nncf = need_nncf()
    names = [port.get_any_name() for port in model.inputs]

    def feeds() -> Iterator[dict[str, np.ndarray]]:
        for i in range(data.sequences):
            known = data.select([i]).feeds(encoder.config)
            yield {name: known[name] for name in names}

    # Biases are left as they are: correcting them changed no answer on MRPC, and few on SST-2.
    return nncf.quantize(
        model,
        nncf.Dataset(list(feeds())),
        subset_size=data.sequences,
        model_type=nncf.ModelType.TRANSFORMER,
        advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
    )


def _range(name: str, node: Any) -> ActivationRange | None:
    """From NNCF's FakeQuantize of a product's input, and its factors before that."""
    assert node.get_type_name() == "FakeQuantize", f"{name} was not quantised"
    low, high = (float(node.input_value(i).get_node().data.reshape(-1)[0]) for i in (1, 2))
    low, high = min(low, 0.0), max(high, 0.0)
    if not (np.isfinite([low, high]).all() and high - low < np.finfo(np.float32).max):
        raise LtpError(f"the input of {name} is not finite on this data; the checkpoint is broken")
    if high - low < LEAST_WIDTH:
        return None
    before = node.input_value(0).get_node()
    depth = node.get_output_partial_shape(0)[1].get_length()
    smooth = np.ones(depth)
    if before.get_friendly_name().endswith("nncf_smooth_quant"):
        smooth = _sensible(before.input_value(1).get_node().data.reshape(-1))
    return ActivationRange(low, high, tuple(float(f"{value:.{DIGITS}g}") for value in smooth))


def _sensible(smooth: np.ndarray) -> np.ndarray:
    """NNCF's factors [depth], with the median in place of those of columns that are always zero.

    Such a column belongs to a padded head or a dead neuron. Its factor says nothing of it, and may
    be more than float16 holds.
    """
    known = smooth[smooth < LARGEST]
    return np.where(smooth < LARGEST, smooth, np.median(known) if known.size else 1)
