"""OpenVINO as it would run on a CPU that has AVX2 and nothing newer.

ONEDNN_MAX_CPU_ISA=AVX2 limits oneDNN, but OpenVINO gives most f32 matrix products to MLAS, which
ignores it. MLAS cannot fuse a Clamp, so with a Clamp after each product oneDNN's AVX2 kernel runs.
"""

from __future__ import annotations

from typing import Any

LIMIT = 1e30  # far outside of what a network computes


def clamp_products(model: Any) -> int:
    """Put a Clamp that never acts after each product with constant weights, in place.

    Returns:
        How many products there are.
    """
    from openvino import opset13

    count = 0
    for node in model.get_ops():
        if node.get_type_name() != "MatMul":
            continue
        if node.input_value(1).get_node().get_type_name() != "Constant":
            continue
        (bias,) = node.output(0).get_target_inputs()
        added = bias.get_node()
        users = added.output(0).get_target_inputs()
        clamp = opset13.clamp(added.output(0), -LIMIT, LIMIT)
        for user in users:
            user.replace_source_output(clamp.output(0))
        count += 1
    return count
