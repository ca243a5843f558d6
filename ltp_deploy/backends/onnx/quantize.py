"""Matrix products in int8, by explicit QuantizeLinear and DequantizeLinear nodes.

The quantisers of ONNX Runtime and ModelOpt measure ranges by running the model, whose op they do
not know. Here the ranges come from a calibration, so only the nodes have to be inserted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ltp_deploy.backends.backend import Job
from ltp_deploy.compiler.int8 import MIN_COLUMNS, ActivationRange, quantized

if TYPE_CHECKING:
    import onnx


def quantize(model: onnx.ModelProto, job: Job, weights: Path) -> None:
    """Put quantising and dequantising nodes around the products that are to run in int8, in place.

    Weights become int8 with a scale for each column, activations int8 with one scale and zero point
    0, as TensorRT requires.

    Args:
        model: its products are `Gemm` nodes named after the module that they come from.
        job: says which products run in int8, and the ranges of their inputs.
        weights: the file with the model's tensors, which is written anew.

    Raises:
        LtpError: the calibration has no range that fits a product.
    """
    from onnx import external_data_helper as external
    from onnx import numpy_helper

    external.load_external_data_for_model(model, str(weights.parent))
    known = {w.name: w for w in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        weight = known[node.input[1]] if node.op_type == "Gemm" else None
        if weight is None or weight.dims[0] < MIN_COLUMNS or not job.int8(node.name):
            nodes.append(node)
            continue
        values = numpy_helper.to_array(weight)
        given = job.activation_range(node.name, values.shape[1])
        tensors, around = _quantised_product(node, values, given)
        known.update({t.name: t for t in tensors})
        nodes += around
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    model.graph.initializer.extend(tensor for name, tensor in known.items() if name in used)
    weights.unlink()
    external.convert_model_to_external_data(model, location=weights.name, size_threshold=1024)
    external.write_external_data_tensors(model, str(weights.parent))


def _quantised_product(
    node: onnx.NodeProto, weight: np.ndarray, given: ActivationRange
) -> tuple[list[onnx.TensorProto], list[onnx.NodeProto]]:
    """The tensors of a product in int8, and the nodes that replace it, the product itself last."""
    from onnx import helper, numpy_helper

    kind, name = weight.dtype, node.name
    smooth = np.array(given.smooth, np.float32)
    values, scales = quantized(weight.astype(np.float32) / smooth, float(np.finfo(kind).tiny))
    constants: dict[str, Any] = {
        "smooth": smooth.astype(kind),
        "x_scale": np.array(given.symmetric(), kind),
        "x_zero": np.array(0, np.int8),
        "weight_int8": values,
        "weight_scale": scales.astype(kind),
        "weight_zero": np.zeros(len(scales), np.int8),
    }
    tensors = [numpy_helper.from_array(value, f"{name}.{key}") for key, value in constants.items()]

    def make(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        names = [x if x == node.input[0] else f"{name}.{x}" for x in inputs]
        title = f"{name}.{output}"
        return helper.make_node(op, names, [title], name=title, **attributes)

    scale = ["x_scale", "x_zero"]
    around = [
        make("Mul", [node.input[0], "smooth"], "x_smooth"),
        make("QuantizeLinear", ["x_smooth", *scale], "x_int8"),
        make("DequantizeLinear", ["x_int8", *scale], "x"),
        make("DequantizeLinear", ["weight_int8", "weight_scale", "weight_zero"], "w", axis=0),
    ]
    node.input[0], node.input[1] = around[2].output[0], around[3].output[0]
    return tensors, [*around, node]
