"""TensorRT: the traced graph as ONNX with the op as a plugin, built into an engine for one GPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from math import ceil

from ltp_deploy.backends.backend import Job, Output
from ltp_deploy.backends.onnx import OnnxEngine
from ltp_deploy.backends.onnx.compile import PORTABLE
from ltp_deploy.backends.onnx.export import WEIGHTS, export
from ltp_deploy.backends.onnx.portable import make_portable
from ltp_deploy.backends.tensorrt import BuildCost, TensorRtEngine
from ltp_deploy.backends.tensorrt.builder import EngineJob, Shape, build_engine
from ltp_deploy.backends.tensorrt.layers import count_layers
from ltp_deploy.backends.tensorrt.library import choose_library
from ltp_deploy.bundle.files import FileName
from ltp_deploy.bundle.native import cuda_kernels, plugin_sources, tensorrt_plugin

ENGINE = FileName("engine.plan")
ONNX = FileName("engine.onnx")
LAYERS = FileName("layers.json")


def compile_engine(job: Job) -> Output:
    """Export, build, and add the compiled plugin and kernels, if there are any."""
    library = choose_library(job.target.compute_capability, job.options.library)
    model = export(job)
    onnx = job.directory / ONNX
    onnx.write_bytes(model.SerializeToString())
    if job.options.portable:
        (job.directory / PORTABLE).write_bytes(make_portable(model).SerializeToString())
    plugin, kernels = tensorrt_plugin(), cuda_kernels()
    built = build_engine(
        EngineJob(
            library=library.name,
            onnx=str(onnx),
            engine=str(job.directory / ENGINE),
            compute_capability=job.target.compute_capability,
            plugin=str(plugin) if plugin else None,
            profiles=_profiles(job),
        )
    )
    operators = {node.name: node.op_type for node in model.graph.node}
    counts = count_layers(built.layers, operators) if built.layers else None
    layers = {"counts": asdict(counts) if counts else None, "layers": built.layers}
    (job.directory / LAYERS).write_text(json.dumps(layers, indent=1) + "\n")
    for path in filter(None, (plugin, kernels)):
        shutil.copy2(path, job.directory / path.name)
    engine = TensorRtEngine(
        file=ENGINE,
        onnx=ONNX,
        weights=WEIGHTS,
        layers_file=LAYERS,
        plugin=FileName(plugin.name) if plugin else None,
        kernels=FileName(kernels.name) if kernels else None,
        plugin_sources=plugin_sources(),
        library=library.name,
        run_by="tensorrt" if job.precision == "int8" else library.name,
        compute_capability=job.target.compute_capability,
        layers=counts,
        built=BuildCost(built.seconds, built.peak_mib),
        portable=OnnxEngine(PORTABLE, WEIGHTS) if job.options.portable else None,
    )
    return Output(
        engine,
        inputs=tuple(port.name for port in model.graph.input),
        versions={library.name: built.version},
        pinned={"library": library.name},
    )


def _profiles(job: Job) -> tuple[dict[str, tuple[Shape, ...]], ...]:
    """The optimisation profiles: for all requests, tuned for the typical one, and for a single
    sequence, tuned for a typical one. Whoever knows of no profiles uses the first."""
    limits, batch = job.limits, min(job.options.usual_batch, job.limits.max_batch)
    predicted = job.plan.prediction
    tokens = min(predicted.tokens if predicted else limits.max_tokens, limits.max_tokens)
    length = ceil(predicted.tokens / predicted.sequences) if predicted else limits.max_length
    every = _profile((1, tokens, limits.max_tokens), (1, batch, limits.max_batch))
    single = _profile((1, min(length, limits.max_length), limits.max_length), (1, 1, 1))
    return (every, single) if limits.max_batch > 1 else (single,)


def _profile(tokens: Shape, sequences: Shape) -> dict[str, tuple[Shape, ...]]:
    names = ("input_ids", "position_ids", "token_type_ids")
    shapes = dict.fromkeys(names, tuple((size,) for size in tokens))
    return {**shapes, "offsets": tuple((count + 1,) for count in sequences)}
