"""The plugin's operation `Linear` in place of OpenVINO's matrix products with constant weights.

After pruning few rows are left, and for few rows OpenVINO's own products take much longer than
reading their weights from memory does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.openvino.nodes import PluginNodes
from ltp_deploy.backends.openvino.panels import packed, padded_depth
from ltp_deploy.compiler.int8 import MIN_COLUMNS, quantized


def use_linear(model: Any, nodes: PluginNodes, job: Job) -> None:
    """Replace every x W^T + b, with the activation or with the residual connection and the layer
    normalization after it, in an `ov.Model`, in place.

    Products that the job wants in int8 get weights with a scale for each column. Rows of x get the
    scale of the calibration or, without one, a scale each that is found while the engine runs. The
    others get weights in the precision of what flows between the operators.

    Raises:
        LtpError: the calibration has no range that fits a product.
    """
    for product in model.get_ordered_ops():
        found = _bias_after(product)
        if found is None:
            continue
        added, bias = found
        last, activation = _activation_after(added)
        inputs, attributes = _operands(product, bias, job)
        attributes["activation"] = activation
        flowing = [0]
        if norm := _norm_after(last, bias.size):
            last, attributes["epsilon"] = norm.last, norm.epsilon
            flowing.append(len(inputs) + 1)
            inputs += norm.inputs()
        (linear,) = nodes.create("Linear", inputs, attributes, flowing)
        linear.node.set_friendly_name(last.get_friendly_name())
        for user in last.output(0).get_target_inputs():
            user.replace_source_output(linear)
    model.validate_nodes_and_infer_types()


def _operands(product: Any, bias: np.ndarray, job: Job) -> tuple[list[Any], dict[str, Any]]:
    """The inputs of the `Linear` that replaces a product, and its attributes in int8."""
    from openvino import opset13 as ops

    def constant(value: np.ndarray) -> Any:
        return ops.constant(value).output(0)

    x, weight, name = product.input_value(0), product.input_value(1), module_name(product)
    values: np.ndarray = weight.get_node().data
    columns, depth = values.shape
    shape = {"columns": columns, "depth": depth}
    if not job.int8(name):
        kind = job.plan.activations
        return [x, constant(packed(values, bias, kind))], {"weights": kind, **shape}
    given = job.activation_range(name, depth) if job.precision == "int8" else None
    smooth = np.array(given.smooth if given else [1], np.float32)
    values, scales = quantized(values / smooth)
    inputs = [x, constant(packed(values, bias, "i8", scales))]
    attributes = {"weights": "i8", **shape}
    if given is None:
        return inputs, attributes
    scale, zero_point = given.asymmetric()
    factors = np.ones(padded_depth(depth, "i8"), np.float32)
    factors[:depth] = smooth / np.float32(scale)
    inputs.append(constant(factors))
    return inputs, {**attributes, "input_scale": scale, "input_zero_point": zero_point}


def module_name(product: Any) -> str:
    """The module of the traced graph that a converted product comes from, as in layers.0.output."""
    name: str = product.get_friendly_name()
    return name.removeprefix("__module.").split("/")[0]


def _bias_after(node: Any) -> tuple[Any, np.ndarray] | None:
    """The Add of a bias [columns] after a product x W^T of a matrix x, and the bias; None where the
    node is no such product."""
    if node.get_type_name() != "MatMul" or node.input_value(0).get_partial_shape().rank != 2:
        return None
    weight = node.input_value(1).get_node()
    if weight.get_type_name() != "Constant" or weight.get_element_type().get_type_name() != "f32":
        return None
    transposed = node.get_attributes()
    if transposed["transpose_a"] or not transposed["transpose_b"]:
        return None
    columns = weight.get_output_shape(0)[0]
    return _with_constant(node, "Add", columns) if columns >= MIN_COLUMNS else None


def _activation_after(node: Any) -> tuple[Any, str]:
    """The activation that is a node's only user, and its name for the plugin; without one, the node
    itself and "none"."""
    user = _only_user(node)
    if user is not None and user.get_type_name() == "Relu":
        return user, "relu"
    if user is not None and user.get_type_name() == "Gelu":
        tanh = user.get_attributes().get("approximation_mode", "ERF") == "TANH"
        return user, "gelu_tanh" if tanh else "gelu"
    return node, "none"


@dataclass(frozen=True)
class _Norm:
    """A residual connection and the layer normalization of its sum.

    Attributes:
        last: the node whose output is the normalized sum.
        scale_and_shift: [2, columns] float32.
        residual: an output [R, columns].
        rows: an output [T] int32, the residual's rows that belong to those of the sum, None where
            R is T.
        epsilon: what is added to the variance.
    """

    last: Any
    scale_and_shift: np.ndarray
    residual: Any
    rows: Any | None
    epsilon: float

    def inputs(self) -> list[Any]:
        """As `Linear` takes them."""
        from openvino import opset13 as ops

        norm = ops.constant(self.scale_and_shift).output(0)
        return [norm, self.residual] + ([] if self.rows is None else [self.rows])


def _norm_after(node: Any, columns: int) -> _Norm | None:
    """What follows a node with an output [T, columns], None where that is something else."""
    added = _only_user(node)
    if added is None or added.get_type_name() != "Add":
        return None
    norm = _only_user(added)
    if norm is None or norm.get_type_name() != "MVN":
        return None
    scaled = _with_constant(norm, "Multiply", columns)
    shifted = _with_constant(scaled[0], "Add", columns) if scaled else None
    (residual,) = (value for value in added.input_values() if value.get_node() != node)
    shape, how = residual.get_partial_shape(), norm.get_attributes()
    if scaled is None or shifted is None or shape.rank != 2 or shape[0].is_static:
        return None
    if _constant(norm.input_value(1)) not in ([-1], [1]) or not how["normalize_variance"]:
        return None
    if how["eps_mode"] != "INSIDE_SQRT":
        return None
    rows, gather = None, residual.get_node()
    if gather.get_type_name() == "Gather" and _constant(gather.input_value(2)) == 0:
        residual, rows = gather.input_value(0), gather.input_value(1)
    return _Norm(shifted[0], np.stack([scaled[1], shifted[1]]), residual, rows, how["eps"])


def _constant(value: Any) -> Any:
    """A constant as Python's numbers and lists, None where an output is no constant."""
    node = value.get_node()
    return node.data.tolist() if node.get_type_name() == "Constant" else None


def _with_constant(node: Any, kind: str, columns: int) -> tuple[Any, np.ndarray] | None:
    """A node's only user and its constant, if it is a Multiply or Add with one [columns]."""
    user = _only_user(node)
    if user is None or user.get_type_name() != kind:
        return None
    for i in range(2):
        constant = user.input_value(i).get_node()
        if constant.get_type_name() == "Constant" and constant.data.size == columns:
            return user, constant.data.reshape(-1)
    return None


def _only_user(node: Any) -> Any | None:
    """The node that uses a node's first output, None where there are several or none."""
    users = list(node.output(0).get_target_inputs())
    return users[0].get_node() if len(users) == 1 else None
