"""Lowered graph -> an ONNX model in which every attention is one `ltp::LtpPrunedAttention` node."""

from __future__ import annotations

import contextlib
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.onnx.node import attributes, translation
from ltp_deploy.backends.onnx.quantize import quantize
from ltp_deploy.bundle.files import FileName
from ltp_deploy.compiler.example import example_inputs
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.trace import OP, SUM
from ltp_deploy.errors import needs
from ltp_deploy.model.policy import Carry
from ltp_deploy.model.signature import EXPECTED, NAME, RESULTS

if TYPE_CHECKING:
    import onnx

OPSET = 20  # the first with Gelu
WEIGHTS = FileName("weights.bin")


def export(job: Job) -> onnx.ModelProto:
    """The model; inputs [T] int32 and offsets [B+1] int32, outputs as `output_names` says.

    Its weights go into the file WEIGHTS in the job's directory, where files of the model belong.

    Raises:
        LtpError: the packages `onnx` and `onnxscript` are missing.
    """
    inputs = example_inputs(job.module, job.config)
    tokens, bounds = torch.export.Dim("T"), torch.export.Dim("B_plus_1")
    shapes = [{0: bounds if name == "offsets" else tokens} for name in inputs]
    model = export_graph(job.module, inputs, shapes, output_names(job.plan), job.directory)
    for i, node in enumerate(attention_nodes(model)):
        node.name = f"layers.{i}.attention"
    from onnx.helper import make_attribute  # which is there now

    for node, layer in zip(attention_nodes(model), job.plan.layers, strict=True):
        per_mille = min(1000, max(1, math.ceil(1000 * layer.share)))
        node.attribute.append(make_attribute(EXPECTED, per_mille))
        if attributes(node)["carry"] != Carry.SURVIVORS:
            del node.output[len(RESULTS) :]
    if job.precision == "int8":
        quantize(model, job, job.directory / WEIGHTS)
    return model


def export_graph(
    module: fx.GraphModule,
    inputs: Mapping[str, Tensor],
    shapes: list[Any],
    outputs: Sequence[str],
    directory: Path,
) -> onnx.ModelProto:
    """A graph as an ONNX model, whose products and norms have the names of their modules.

    Args:
        inputs: examples by name.
        shapes: the dimensions of each that are free, as `torch.export` takes them.
        directory: where the file WEIGHTS is written.

    Raises:
        LtpError: the packages `onnx` and `onnxscript` are missing.
    """
    with needs("this target needs onnx and onnxscript", "onnx"):
        import onnx
        import onnx_ir

        from ltp_deploy.backends.onnx.means import segment_sum
    with _quiet():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
            custom_translation_table={
                OP.default: translation(),
                SUM.default: segment_sum,
                torch.ops.aten.index_select.default: _gather,
            },
        )
    assert program is not None
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        path = Path(folder) / "model.onnx"
        onnx_ir.save(program.model, path, external_data=WEIGHTS)
        model = onnx.load(path, load_external_data=False)
        (Path(folder) / WEIGHTS).rename(directory / WEIGHTS)
    _name_nodes(model, module)
    return model


def _name_nodes(model: onnx.ModelProto, module: fx.GraphModule) -> None:
    """Name products and norms after their modules.

    Each of them takes the result of the one before, so that both graphs have them in one order. The
    names of weights say less: layers whose weights are equal share them.
    """
    called = [str(n.target) for n in module.graph.nodes if n.op == "call_module"]
    modules = [n for n in called if isinstance(module.get_submodule(n), (nn.Linear, nn.LayerNorm))]
    nodes = [n for n in model.graph.node if n.op_type in ("Gemm", "LayerNormalization")]
    for node, name in zip(nodes, modules, strict=True):
        node.name = name


def attention_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The op's nodes, one per layer, in order."""
    return [node for node in model.graph.node if node.op_type == NAME]


def _gather(x: Any, dim: int, index: Any) -> Any:
    """index_select as Gather; PyTorch's own translation adds a Reshape and a Cast."""
    from onnxscript import opset20

    return opset20.Gather(x, index, axis=dim)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns about packages and internals that are none of the user's business."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
