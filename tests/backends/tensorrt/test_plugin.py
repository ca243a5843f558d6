"""Both plugins in TensorRT for RTX: found by their name in an ONNX file, built into engines for a
GPU that need not be here, with the same refusals. Nothing runs on a GPU.

Run as a program, this file is the child process that builds one engine: the ONNX parser of
TensorRT for RTX aborts a process in which it does not find `libtensorrt_rtx.so`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.bundle.native import tensorrt_plugin

HEADS, HEAD_SIZE = 4, 16
HIDDEN = HEADS * HEAD_SIZE
FIELDS = {
    **{"heads": HEADS, "mode": 1, "score_length": 128, "keep_first": 1, "threshold": 0.01},
    "expected_per_mille": 900,
}
ALL, SURVIVORS, FIRST, BOUNDED = range(4)
PYTHON = "python"


@pytest.fixture(scope="module", params=["cpp", PYTHON])
def plugin(request: pytest.FixtureRequest) -> str:
    """The path of the C++ plugin, or `PYTHON`."""
    if not importlib.util.find_spec("tensorrt_rtx") or not importlib.util.find_spec("onnx"):
        pytest.skip("the packages tensorrt-rtx-cu12 and onnx are not installed")
    if request.param == PYTHON:
        return PYTHON
    path = tensorrt_plugin()
    if path is None:
        pytest.skip("libltp_tensorrt.so is not built; LTP_TENSORRT_PLUGIN may name it")
    return str(path)


def save_model(path: Path, nodes: list[dict[str, Any]], hidden: int = HIDDEN) -> None:
    """`nodes` layers, each a plugin, a residual connection, and the next layer's projection."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    weights = (np.random.default_rng(1).normal(size=(hidden, 3 * hidden)) / 8).astype(np.float16)
    layers = []
    for i, fields in enumerate(nodes):
        outputs = ["context", "kept", "offsets", "alive", "count"]
        layers += [
            helper.make_node(
                "LtpPrunedAttention",
                [f"qkv{i}", f"offsets{i}", f"alive{i}", "lengths"],
                [f"{name}{i + 1}" for name in outputs[: 5 if fields["carry"] == SURVIVORS else 4]],
                domain="ltp",
                **fields,
            ),
            helper.make_node("Gather", [f"rows{i}", f"kept{i + 1}"], [f"carried{i + 1}"], axis=0),
            helper.make_node("Add", [f"context{i + 1}", f"carried{i + 1}"], [f"rows{i + 1}"]),
            helper.make_node("MatMul", [f"rows{i + 1}", "weights"], [f"qkv{i + 1}"]),
        ]

    def tensor(name: str, kind: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)

    inputs = [
        tensor("qkv0", "FLOAT16", "T", 3 * hidden),
        tensor("rows0", "FLOAT16", "T", hidden),
        tensor("offsets0", "INT32", "B1"),
        tensor("alive0", "INT32", "T"),
        tensor("lengths", "INT32", "B"),
    ]
    outputs = [
        tensor(f"qkv{len(nodes)}", "FLOAT16", "T2", 3 * hidden),
        tensor(f"offsets{len(nodes)}", "INT32", "B1"),
        tensor(f"alive{len(nodes)}", "INT32", "T2"),
    ]
    graph = helper.make_graph(
        layers, "layers", inputs, outputs, [numpy_helper.from_array(weights, "weights")]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ltp", 1)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def build_for_turing(model: str, plugin: str) -> dict[str, Any]:
    """The built engine's size, its layers' types, the rows that enter and leave the plugins in a
    usual request, and what the library logged as errors."""
    import tensorrt_rtx as trt

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.records: list[tuple[Any, str]] = []

        def log(self, severity: Any, message: str) -> None:
            self.records.append((severity, message))

    logger = Logger()
    registry = trt.get_plugin_registry()
    usual: list[list[int]] = []
    if plugin == PYTHON:
        from ltp_deploy.backends.tensorrt.plugin import Plugin, register

        def note(self: Any, inputs: Any, outputs: Any) -> None:
            usual.append([inputs[0].opt[0], outputs[0].opt[0]])

        Plugin.configure_plugin = note  # type: ignore[method-assign]
        register(trt, registry)
    else:
        assert registry.load_library(plugin) is not None
    assert registry.get_creator("LtpPrunedAttention", "1", "") is not None
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    engine = None
    if parser.parse_from_file(model):
        config = builder.create_builder_config()
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM75, 0)
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        profile = builder.create_optimization_profile()
        for i in range(network.num_inputs):
            tensor = network.get_input(i)
            tokens = tensor.name not in ("offsets0", "lengths")
            extra = tensor.name == "offsets0"
            sizes = [n + extra for n in ((1, 256, 1024) if tokens else (1, 16, 64))]
            profile.set_shape(tensor.name, *((n, *tensor.shape[1:]) for n in sizes))
        config.add_optimization_profile(profile)
        engine = builder.build_serialized_network(network, config)
    layers = next((text for _, text in logger.records if text.startswith("Layers:")), "")
    errors = (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)
    return {
        "bytes": 0 if engine is None else engine.nbytes,
        "layers": re.findall(r"LayerType: (\w+)", layers),
        "usual_rows": usual,
        "errors": "\n".join(text for severity, text in logger.records if severity in errors),
    }


@pytest.fixture
def built(plugin: str, tmp_path: Path) -> Any:
    """(nodes, hidden size) -> what `build_for_turing` says; standard error joins the errors."""
    libraries = importlib.util.find_spec("tensorrt_rtx_libs")
    assert libraries is not None
    (folder,) = map(Path, libraries.submodule_search_locations or [])
    (tmp_path / "libtensorrt_rtx.so").symlink_to(next(folder.glob("libtensorrt_rtx.so.*")))

    def build(nodes: list[dict[str, Any]], hidden: int = HIDDEN) -> dict[str, Any]:
        model = tmp_path / "model.onnx"
        save_model(model, nodes, hidden)
        child = subprocess.run(
            [sys.executable, __file__, model, plugin],
            env={
                **os.environ,
                "LD_LIBRARY_PATH": str(tmp_path),
                "PYTHONPATH": ":".join(filter(None, sys.path)),
            },
            capture_output=True,
            text=True,
        )
        assert child.returncode == 0, child.stderr
        answer = json.loads(child.stdout)
        return {**answer, "errors": answer["errors"] + child.stderr}

    return build


@pytest.mark.parametrize(
    "carries",
    [[ALL], [SURVIVORS], [FIRST], [BOUNDED], [ALL, SURVIVORS, BOUNDED, SURVIVORS, FIRST]],
    ids=str,
)
def test_each_compaction_costs_one_host_sync(built: Any, carries: list[int]) -> None:
    engine = built([{**FIELDS, "carry": carry} for carry in carries])
    assert engine["bytes"] > 0, engine["errors"]
    plugins = engine["layers"].count("PluginV3") + engine["layers"].count("custom_layer")
    assert plugins == len(carries)
    assert engine["layers"].count("DeviceToShapeHost") == carries.count(SURVIVORS)


def test_a_chain_is_tuned_for_the_rows_that_are_expected_to_be_left(
    built: Any, plugin: str
) -> None:
    shares = ((SURVIVORS, 900), (ALL, 500), (SURVIVORS, 500), (SURVIVORS, 1000), (FIRST, 1))
    nodes = [{**FIELDS, "carry": carry, "expected_per_mille": n} for carry, n in shares]
    engine = built(nodes)
    assert engine["bytes"] > 0, engine["errors"]
    if plugin == PYTHON:  # it tells what TensorRT gives it, in any order and more than once
        rows = {(256, 231), (231, 231), (231, 116), (116, 116), (116, 16)}  # 0.9 * 256 = 230.4
        assert set(map(tuple, engine["usual_rows"])) == rows


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mode", 7, "field `mode` is 7; it takes one int32 from 0 to 3"),
        ("threshold", 1, "field `threshold` holds 1 of int32; it takes one float32"),
        ("keep_first", None, "field `keep_first` is missing"),
        ("heads", 3, "qkv has 192 columns, but 3 heads take 3 * 3 * the head size"),
    ],
)
def test_a_bad_field_is_refused_by_name(built: Any, field: str, value: Any, message: str) -> None:
    fields = {**FIELDS, "carry": ALL, field: value}
    engine = built([{name: v for name, v in fields.items() if v is not None}])
    assert engine["bytes"] == 0
    assert message in engine["errors"]


if __name__ == "__main__":
    print(json.dumps(build_for_turing(sys.argv[1], sys.argv[2])))
