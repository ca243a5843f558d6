"""TensorRT: the traced graph as ONNX with the op as a plugin, built into an engine for one GPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from typing import Any

from ltp_deploy.native import tensorrt_plugin
from ltp_deploy.targets.onnx import PORTABLE
from ltp_deploy.targets.onnx.model import WEIGHTS, export
from ltp_deploy.targets.onnx.portable import make_portable
from ltp_deploy.targets.target import Job
from ltp_deploy.tensorrt.build import EngineJob, build_engine
from ltp_deploy.tensorrt.layers import count_layers
from ltp_deploy.tensorrt.library import choose_library

ENGINE = "engine.plan"
ONNX = "engine.onnx"
LAYERS = "layers.json"


def write(job: Job) -> dict[str, Any]:
    """Export, build, and put the plugin beside the engine where it was compiled."""
    library = choose_library(job.target.compute_capability, job.options.library)
    model = export(job)
    onnx = job.directory / ONNX
    onnx.write_bytes(model.SerializeToString())
    if job.options.portable:
        (job.directory / PORTABLE).write_bytes(make_portable(model).SerializeToString())
    plugin = tensorrt_plugin()
    built = build_engine(
        EngineJob(
            library=library.name,
            onnx=str(onnx),
            engine=str(job.directory / ENGINE),
            compute_capability=job.target.compute_capability,
            plugin=str(plugin) if plugin else None,
            shapes=_shapes(job),
        ),
        library,
    )
    operators = {node.name: node.op_type for node in model.graph.node}
    counts = asdict(count_layers(built.layers, operators))
    layers = json.dumps({"counts": counts, "layers": built.layers}, indent=1)
    (job.directory / LAYERS).write_text(layers + "\n")
    if plugin:
        shutil.copy2(plugin, job.directory / plugin.name)
    return {
        "engine": ENGINE,
        "onnx": ONNX,
        "weights": WEIGHTS,
        "portable": PORTABLE if job.options.portable else None,
        "plugin": plugin.name if plugin else None,
        "inputs": [port.name for port in model.graph.input],
        "library": library.name,
        "versions": {library.name: built.version},
        "compute_capability": job.target.compute_capability,
        "layers": counts,
        "built": {"seconds": built.seconds, "peak_mib": built.peak_mib},
    }


def _shapes(job: Job) -> dict[str, tuple[int, int, int]]:
    """The optimisation profile: the range of each input's one dimension."""
    limits, batch = job.limits, min(job.options.usual_batch, job.limits.max_batch)
    usual = job.plan.prediction.tokens if job.plan.prediction else limits.max_tokens
    tokens = (1, min(usual, limits.max_tokens), limits.max_tokens)
    shapes = dict.fromkeys(("input_ids", "position_ids", "token_type_ids"), tokens)
    return {**shapes, "offsets": (2, batch + 1, limits.max_batch + 1)}
