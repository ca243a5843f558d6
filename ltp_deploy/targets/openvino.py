"""OpenVINO: the traced graph with the op as the plugin's `PrunedAttention`, as IR."""

from __future__ import annotations

import shutil
from typing import Any

from ltp_deploy.compiler.passes import output_names
from ltp_deploy.native import openvino_plugin
from ltp_deploy.pruning.policy import Carry, Mode
from ltp_deploy.targets.example import example_inputs
from ltp_deploy.targets.openvino_linear import use_linear
from ltp_deploy.targets.openvino_nodes import PluginNodes
from ltp_deploy.targets.target import Job

ENGINE = "engine.xml"
WEIGHTS = "engine.bin"


def write(job: Job) -> dict[str, Any]:
    """Convert the graph, save the IR, and put the plugin beside it."""
    import openvino as ov

    plugin = openvino_plugin()
    activations = _activations(job)
    nodes = PluginNodes(plugin, activations, job.target.isa)
    inputs = example_inputs(job.module, job.config)
    model = ov.convert_model(
        job.module,
        example_input=tuple(inputs.values()),
        extension=[str(plugin), _attention_extension(nodes)],
    )
    use_linear(model, nodes, int8=job.precision == "int8-dynamic")
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
        "activations": activations,
    }


def _activations(job: Job) -> str:
    """The type of what flows between operators. int8 is for matrix products alone: everything else
    takes and gives bf16, which OpenVINO has where there is AVX-512."""
    return "f32" if job.precision == "f32" or job.target.isa == "avx2" else "bf16"


def _attention_extension(nodes: PluginNodes) -> Any:
    """Translate traced `ltp::pruned_attention` calls to the plugin's op."""
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
            "precision": nodes.precision,
        }
        return nodes.create("PrunedAttention", [context.get_input(i) for i in range(4)], attributes)

    return ConversionExtension("ltp::pruned_attention", convert)
