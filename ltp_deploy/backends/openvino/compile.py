"""OpenVINO: the traced graph with the op as the plugin's `PrunedAttention`, as IR."""

from __future__ import annotations

import shutil
from typing import Any

from torch import fx

from ltp_deploy.backends.backend import Job, Output
from ltp_deploy.backends.openvino import OpenVinoEngine
from ltp_deploy.backends.openvino.embeddings import narrow_tables
from ltp_deploy.backends.openvino.files import save
from ltp_deploy.backends.openvino.linear import use_linear
from ltp_deploy.backends.openvino.nodes import (
    PluginNodes,
    attention_extension,
    segment_sum_extension,
)
from ltp_deploy.backends.openvino.session import release
from ltp_deploy.backends.openvino.tail import spread_bf16
from ltp_deploy.backends.reports import import_openvino, no_usage_reports
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.native import openvino_plugin
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import Plan
from ltp_deploy.model.config import EncoderConfig

ENGINE = FileName("engine.xml")
WEIGHTS = FileName("engine.bin")


def compile_engine(job: Job) -> Output:
    """Convert the graph, save the IR, and copy the plugin."""
    ov, plugin = import_openvino(), openvino_plugin()
    nodes = PluginNodes(plugin, job.plan.activations, job.target.isa)
    model = convert(job.module, job.config, job.plan, nodes)
    use_linear(model, nodes, job)
    narrow_tables(model, job)
    spread_bf16(model, job)
    save(model, job.directory / ENGINE, job.directory / WEIGHTS)
    shutil.copy2(plugin, job.directory / plugin.name)
    return Output(
        OpenVinoEngine(ENGINE, WEIGHTS, FileName(plugin.name), job.target.isa),
        inputs=tuple(port.get_any_name() for port in model.inputs),
        versions={"openvino": release(ov.__version__)},
    )


def convert(module: fx.GraphModule, config: EncoderConfig, plan: Plan, nodes: PluginNodes) -> Any:
    """A lowered graph as an `ov.Model`, with the plugin's attention and OpenVINO's own products."""
    ov, inputs = import_openvino(), example_inputs(module, config)
    with no_usage_reports():
        model = ov.convert_model(
            module,
            example_input=tuple(inputs.values()),
            extension=[str(nodes.plugin), attention_extension(nodes), segment_sum_extension()],
        )
    for port, name in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(model.outputs, output_names(plan), strict=True):
        port.get_tensor().set_names({name})
    return model
