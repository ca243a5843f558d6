"""TensorRT: the traced graph as ONNX with the op as a plugin, built into an engine for one GPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from typing import Any

from ltp_deploy.backends.backend import Job
from ltp_deploy.backends.onnx.compile import PORTABLE
from ltp_deploy.backends.onnx.export import WEIGHTS, export
from ltp_deploy.backends.onnx.portable import make_portable
from ltp_deploy.backends.tensorrt.builder import EngineJob, build_engine
from ltp_deploy.backends.tensorrt.layers import count_layers
from ltp_deploy.backends.tensorrt.library import choose_library
from ltp_deploy.bundle.native import KERNELS, cuda_kernels, plugin_sources, tensorrt_plugin
from ltp_deploy.bundle.options import Limits
from ltp_deploy.cuda.launches import check_heads
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig

ENGINE = "engine.plan"
ONNX = "engine.onnx"
LAYERS = "layers.json"
MAX_ELEMENTS = 2**31 - 1


def write(job: Job) -> dict[str, Any]:
    """Export, build, and put beside the engine what was compiled of the plugin and its kernels."""
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
        )
    )
    operators = {node.name: node.op_type for node in model.graph.node}
    # None where this version of TensorRT words its log in a way that is not understood.
    counts = asdict(count_layers(built.layers, operators)) if built.layers else None
    layers = json.dumps({"counts": counts, "layers": built.layers}, indent=1)
    (job.directory / LAYERS).write_text(layers + "\n")
    compiled = [plugin, cuda_kernels()]
    for path in filter(None, compiled):
        shutil.copy2(path, job.directory / path.name)
    return {
        "engine": ENGINE,
        "onnx": ONNX,
        "weights": WEIGHTS,
        "portable": PORTABLE if job.options.portable else None,
        "plugin": plugin.name if plugin else None,
        "kernels": KERNELS if cuda_kernels() else None,
        "plugin_sources": plugin_sources(),
        "inputs": [port.name for port in model.graph.input],
        "library": library.name,
        "versions": {library.name: built.version},
        "compute_capability": job.target.compute_capability,
        "run_by": "tensorrt" if job.precision == "int8" else library.name,
        "layers": counts,
        "built": {"seconds": built.seconds, "peak_mib": built.peak_mib},
    }


def check(config: EncoderConfig, limits: Limits) -> None:
    """Refuse what the kernels or TensorRT's dimensions cannot hold.

    Raises:
        LtpError: what was found, what is allowed, what to do.
    """
    tokens = limits.max_tokens
    check_heads(config.hidden_size, config.heads)
    widest = max(3 * config.hidden_size, config.intermediate_size)
    if tokens * widest > MAX_ELEMENTS:
        raise LtpError(
            f"{tokens} tokens of {widest} values are more than a TensorRT tensor holds; "
            f"pass --max-tokens {MAX_ELEMENTS // widest} or less"
        )


def _shapes(job: Job) -> dict[str, tuple[int, int, int]]:
    """The optimisation profile: the range of each input's one dimension."""
    limits, batch = job.limits, min(job.options.usual_batch, job.limits.max_batch)
    usual = job.plan.prediction.tokens if job.plan.prediction else limits.max_tokens
    tokens = (1, min(usual, limits.max_tokens), limits.max_tokens)
    shapes = dict.fromkeys(("input_ids", "position_ids", "token_type_ids"), tokens)
    return {**shapes, "offsets": (2, batch + 1, limits.max_batch + 1)}
