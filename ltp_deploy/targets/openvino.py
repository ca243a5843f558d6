"""OpenVINO: the traced graph with the op as the plugin's `PrunedAttention`, as IR."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ltp_deploy.compiler.passes import output_names
from ltp_deploy.native import openvino_plugin
from ltp_deploy.pruning.policy import Carry, Mode
from ltp_deploy.targets.example import example_inputs
from ltp_deploy.targets.openvino_linear import use_linear
from ltp_deploy.targets.target import Job

ENGINE = "engine.xml"
WEIGHTS = "engine.bin"


def write(job: Job) -> dict[str, Any]:
    """Convert the graph, save the IR, and put the plugin beside it."""
    import openvino as ov

    plugin = openvino_plugin()
    factory = _node_factory(plugin)
    inputs = example_inputs(job.module, job.config)
    model = ov.convert_model(
        job.module,
        example_input=tuple(inputs.values()),
        extension=[str(plugin), _attention_extension(factory, job.precision, job.isa)],
    )
    use_linear(model, factory, job.precision, job.isa)
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(model.outputs, output_names(job.plan), strict=True):
        port.get_tensor().set_names({name})
    ov.save_model(model, job.directory / ENGINE, compress_to_fp16=False)
    shutil.copy2(plugin, job.directory / plugin.name)
    return {
        "engine": ENGINE,
        "weights": WEIGHTS,
        "plugin": plugin.name,
        "inputs": list(inputs),
    }


def _node_factory(plugin: Path) -> Any:
    """Makes nodes of OpenVINO's own operations and of the plugin's."""
    from openvino.utils.node_factory import NodeFactory

    factory = NodeFactory("opset13")
    factory.add_extension(str(plugin))
    return factory


def _attention_extension(factory: Any, precision: str, isa: str) -> Any:
    """Translate traced `ltp::pruned_attention` calls to the plugin's op."""
    from openvino import opset13 as ops
    from openvino.frontend.pytorch import ConversionExtension

    def convert(context):
        constant = context.get_values_from_const_input
        attributes = {
            "heads": int(constant(4)),
            "mode": Mode(int(constant(5))).name.lower(),
            "threshold": float(constant(6)),
            "score_length": int(constant(7)),
            "keep_first": bool(constant(8)),
            "carry": Carry(int(constant(9))).name.lower(),
            "precision": precision,
            "isa": isa,
        }
        data = [context.get_input(i) for i in range(4)]
        if precision == "bf16":
            # In bf16 inference the neighbours have bf16 too, and OpenVINO drops both conversions.
            data[0] = ops.convert(data[0], "bf16").output(0)
        outputs = factory.create("PrunedAttention", data, attributes).outputs()
        if precision == "bf16":
            outputs[0] = ops.convert(outputs[0], "f32").output(0)
        return outputs

    return ConversionExtension("ltp::pruned_attention", convert)
