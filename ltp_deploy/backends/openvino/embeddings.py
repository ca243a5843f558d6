"""Large embedding tables in int8, in engines whose matrix products are in int8 anyway."""

from __future__ import annotations

from typing import Any

from ltp_deploy.backends.backend import Job
from ltp_deploy.compiler.int8 import INT8, quantized

LARGE = 1 << 20  # bytes of a table for which the two nodes more are worth it


def narrow_tables(model: Any, job: Job) -> None:
    """Store every large table of an `ov.Model` in int8, with a scale for each row, in place.

    The tables belong to the first layer: where it is kept out of int8, so are they.
    """
    from openvino import opset13 as ops

    if job.plan.layers[0].precision not in INT8:
        return
    for gather in model.get_ordered_ops():
        table = gather.input_value(0).get_node() if gather.get_type_name() == "Gather" else None
        if table is None or table.get_type_name() != "Constant":
            continue
        if table.get_element_type().get_type_name() != "f32" or table.data.nbytes < LARGE:
            continue
        values, scales = quantized(table.data)
        ids, axis = gather.input_value(1), gather.input_value(2)
        rows = ops.convert(ops.gather(ops.constant(values), ids, axis), "f32")
        narrow = ops.multiply(rows, ops.gather(ops.constant(scales[:, None]), ids, axis))
        narrow.set_friendly_name(gather.get_friendly_name())
        for user in gather.output(0).get_target_inputs():
            user.replace_source_output(narrow.output(0))
    model.validate_nodes_and_infer_types()
