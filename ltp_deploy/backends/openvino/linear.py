"""OpenVINO's matrix products with constant weights as the plugin's `Linear`.

After pruning few rows are left, and for few rows OpenVINO's own products take far longer than
reading their weights does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.openvino.nodes import PluginNodes
from ltp_deploy.compiler.int8 import MIN_COLUMNS, quantized


def use_linear(model: Any, nodes: PluginNodes, job: Job) -> None:
    """Replace every x W^T + b [and activation] in an `ov.Model`, in place.

    Products that the job wants in int8 get weights with a scale for each column, and rows of x
    with the calibrated scale, or with one for each row that is found while the engine runs.
    """
    from openvino import opset13 as ops

    for product in model.get_ordered_ops():
        found = _bias_behind(product)
        if found is None:
            continue
        added, bias = found
        last, activation = _activation_behind(added)
        weight, bias = product.input_value(1), ops.constant(bias.data.reshape(-1)).output(0)
        inputs = [product.input_value(0), weight, bias]
        attributes: dict[str, Any] = {"activation": activation}
        name = module_name(product)
        if job.int8(name):
            values = weight.get_node().data
            calibrated = job.precision == "int8"
            given = job.activation_range(name, values.shape[1]) if calibrated else None
            smooth = np.array(given.smooth if given else [1], np.float32)
            values, scales = quantized(values / smooth)
            inputs[1] = ops.constant(values).output(0)
            inputs.append(ops.constant(scales).output(0))
            if given:
                scale, zero_point = given.asymmetric()
                attributes |= {"input_scale": scale, "input_zero_point": zero_point}
                inputs.append(ops.constant(smooth / np.float32(scale)).output(0))
        (linear,) = nodes.create("Linear", inputs, attributes)
        linear.node.set_friendly_name(last.get_friendly_name())
        for user in last.output(0).get_target_inputs():
            user.replace_source_output(linear)
    model.validate_nodes_and_infer_types()


def module_name(product: Any) -> str:
    """The module in the traced graph that a converted product comes from: layers.0.output."""
    return product.get_friendly_name().removeprefix("__module.").split("/")[0]


def _bias_behind(node: Any) -> tuple[Any, Any] | None:
    """The Add of a constant bias behind a product x W^T of a matrix x, and that constant."""
    if node.get_type_name() != "MatMul" or node.input_value(0).get_partial_shape().rank != 2:
        return None
    weight = node.input_value(1).get_node()
    if weight.get_type_name() != "Constant" or weight.get_element_type().get_type_name() != "f32":
        return None
    transposed = node.get_attributes()
    if transposed["transpose_a"] or not transposed["transpose_b"]:
        return None
    columns = weight.get_output_shape(0)[0]
    added = _only_user(node)
    if columns < MIN_COLUMNS or added is None or added.get_type_name() != "Add":
        return None
    for i in range(2):
        bias = added.input_value(i).get_node()
        if bias.get_type_name() == "Constant" and bias.data.size == columns:
            return added, bias
    return None


def _activation_behind(node: Any) -> tuple[Any, str]:
    """The activation that alone follows a node, and its name; the node itself where none does."""
    user = _only_user(node)
    if user is not None and user.get_type_name() == "Relu":
        return user, "relu"
    if user is not None and user.get_type_name() == "Gelu":
        tanh = user.get_attributes().get("approximation_mode", "ERF") == "TANH"
        return user, "gelu_tanh" if tanh else "gelu"
    return node, "none"


def _only_user(node: Any) -> Any | None:
    users = list(node.output(0).get_target_inputs())
    return users[0].get_node() if len(users) == 1 else None
