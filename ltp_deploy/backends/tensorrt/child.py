"""The child process that builds an engine.

`python -m ltp_deploy.backends.tensorrt.child JOB ANSWER` reads an `EngineJob` from the JSON file
JOB and writes a `BuiltEngine` to the JSON file ANSWER.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ltp_deploy.backends.tensorrt import plugin
from ltp_deploy.backends.tensorrt.builder import BuiltEngine, EngineJob
from ltp_deploy.backends.tensorrt.layers import read_layers
from ltp_deploy.backends.tensorrt.library import LIBRARIES, RTX
from ltp_deploy.backends.tensorrt.log import make_logger
from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.memory import peak_mib


def run(job: EngineJob) -> BuiltEngine:
    """Parse the model, build the engine and write it.

    Raises:
        LtpError: the library cannot start, or refuses the model or the plugin.
    """
    library = LIBRARIES[job.library]
    trt = library.load()
    logger = make_logger(trt, everything=True)
    _use_plugin(trt, job.plugin)
    start = time.perf_counter()
    builder = trt.Builder(logger)
    if builder is None:
        raise LtpError(f"{library.title} cannot start: {logger.complaints()}")
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(job.onnx):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        messages = [f"{e.desc()} (node {e.node_name()}, {e.node_operator()})" for e in errors]
        raise LtpError("\n".join(messages))
    config = _config(trt, builder, network, job)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise LtpError(logger.complaints())
    Path(job.engine).write_bytes(engine)
    return BuiltEngine(
        version=trt.__version__,
        layers=read_layers(logger.messages),
        seconds=round(time.perf_counter() - start, 2),
        peak_mib=round(peak_mib(), 1),
    )


def _use_plugin(trt: Any, path: str | None) -> None:
    """Register the C++ plugin, or the Python one where the path is None."""
    registry = trt.get_plugin_registry()
    if path is None:
        plugin.register(trt, registry)
    elif registry.load_library(path) is None:
        raise LtpError(f"the plugin {path} does not load")


def _network_flags(trt: Any) -> int:
    """Flags for a network whose graph decides precision; newer versions always work like that."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _config(trt: Any, builder: Any, network: Any, job: EngineJob) -> Any:
    """The builder's settings: the GPU, and the ranges of the inputs' sizes."""
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if LIBRARIES[job.library] is RTX:
        config.num_compute_capabilities = 1
        name = "SM" + job.compute_capability.replace(".", "")
        config.set_compute_capability(getattr(trt.ComputeCapability, name), 0)
    for shapes in job.profiles:
        profile = builder.create_optimization_profile()
        for i in range(network.num_inputs):
            name = network.get_input(i).name
            least, usual, most = shapes[name]
            profile.set_shape(name, least, usual, most)
        if config.add_optimization_profile(profile) < 0:
            raise LtpError(f"{job.library} refuses the optimisation profile {shapes}")
    return config


def main() -> None:
    request, answer = map(Path, sys.argv[1:])
    try:
        built = run(EngineJob(**json.loads(request.read_text())))
    except LtpError as error:
        sys.exit(str(error))
    answer.write_text(json.dumps(asdict(built)))


if __name__ == "__main__":
    main()
