"""The plugin in Python, asked what TensorRT asks: with a module of its interfaces alone, and with
TensorRT for RTX. Its kernels are tested elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.tensorrt import plugin as module
from ltp_deploy.backends.tensorrt.plugin import Plugin, joined, register
from ltp_deploy.cuda.kernels import Queue
from ltp_deploy.cuda.launches import workspace
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.model.signature import INPUTS, NAME, RESULTS
from tests.backends.fake_cuda import PLUGIN_BASES

ATTRIBUTES = {
    "heads": 12,
    "mode": int(Mode.ABSOLUTE),
    "threshold": 0.125,
    "score_length": 128,
    "keep_first": True,
    "carry": int(Carry.FIRST),
    "expected_per_mille": 900,
}
COLUMNS = 3 * 12 * 64


class Size(str):
    """A dimension that only the input data decide."""

    def is_constant(self) -> bool:
        return False


class Constant(int):
    """A dimension that is known."""

    def is_constant(self) -> bool:
        return True

    def get_constant_value(self) -> int:
        return int(self)


class Expressions:
    """Arithmetic on dimensions, as text."""

    constant = staticmethod(Constant)

    def operation(self, name: str, a: Any, b: Any) -> Size:
        return Size(f"{name}({a}, {b})")

    def declare_size_tensor(self, output: int, usual: Any, most: Any) -> Size:
        return Size(f"output {output}, as {usual}, at most {most}")


@pytest.fixture
def trt() -> Any:
    """A TensorRT module that has interfaces and names, and does nothing."""
    return SimpleNamespace(
        **{name: type(name, (), {}) for name in PLUGIN_BASES},
        PluginField=lambda name, data, kind: SimpleNamespace(name=name, data=data, type=kind),
        PluginFieldCollection=list,
        PluginFieldType=SimpleNamespace(INT32="int32", FLOAT32="float32"),
        DataType=SimpleNamespace(HALF="half", INT32="int32"),
        TensorFormat=SimpleNamespace(LINEAR="linear"),
        DimensionOperation=SimpleNamespace(CEIL_DIV="ceil_div", PROD="prod"),
        DimsExprs=lambda rank: [None] * rank,
    )


class Registry:
    """Keeps the creator that is registered."""

    def register_creator(self, creator: Any, namespace: str) -> None:
        assert namespace == module.NAMESPACE
        self.creator = creator


def creator_of(trt: Any, fatbin: Path | None = None) -> Any:
    registry = Registry()
    register(trt, registry, fatbin)
    return registry.creator


@pytest.fixture
def creator(trt: Any) -> Any:
    return creator_of(trt, Path("kernels"))


def made(creator: Any, **changes: Any) -> Any:
    """A plugin with these attributes, through the fields of another one."""
    source = creator.plugin({**ATTRIBUTES, **changes})
    return creator.create_plugin("layers.0.attention", source.get_fields_to_serialize(), None)


def test_a_joined_class_implements_the_modules_interfaces(trt: Any) -> None:
    (base,) = joined(trt, Plugin, ("IPluginV3",)).__bases__[1:]
    assert base is trt.IPluginV3
    assert not any(isinstance(kind, trt.IPluginV3) for kind in Plugin.__mro__)


def test_a_plugin_is_found_by_name_and_version(creator: Any) -> None:
    plugin = made(creator)
    assert (creator.name, creator.plugin_version) == (NAME, module.VERSION)
    assert (plugin.plugin_name, plugin.plugin_version) == (NAME, module.VERSION)
    assert plugin.get_capability_interface(None) is plugin
    assert [field.name for field in creator.field_names] == [
        field.name for field in plugin.get_fields_to_serialize()
    ]


def test_fields_and_copies_keep_the_attributes(
    creator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    cuda = SimpleNamespace(cudaGetDevice=lambda: (0, 2))
    monkeypatch.setattr(module, "runtime", lambda: cuda)
    monkeypatch.setattr(module, "load_kernels", loaded.append)
    plugin = made(creator)
    assert plugin.attributes == ATTRIBUTES
    for copy in (plugin.clone(), plugin.attach_to_context(None)):
        assert copy is not plugin
        assert type(copy) is type(plugin)
        assert copy.attributes == ATTRIBUTES
    # A capture forbids it later.
    assert loaded == [Queue(2, 0, Path("kernels"))]


def test_a_wrong_field_is_refused_with_the_nodes_name(creator: Any) -> None:
    message = r"node layers\.3: field `heads` is missing; it takes one int32"
    with pytest.raises(ValueError, match=message):
        creator.create_plugin("layers.3", [], None)


@pytest.mark.parametrize(
    ("carry", "rows"),
    [
        (Carry.ALL, "T"),
        (Carry.BOUNDED, "T"),
        (Carry.FIRST, "B"),
        (Carry.SURVIVORS, "output 4, as ceil_div(prod(T, 900), 1000), at most T"),
    ],
)
def test_output_shapes_follow_from_the_carry(creator: Any, carry: Carry, rows: str) -> None:
    plugin = made(creator, carry=int(carry))
    inputs = [[Size("T"), Constant(COLUMNS)], [Size("B1")], [Size("T")], [Size("B")]]
    shapes = plugin.get_output_shapes(inputs, [], Expressions())
    count = [[]] if carry is Carry.SURVIVORS else []
    assert shapes == [[rows, COLUMNS // 3], [rows], ["B1"], [rows], *count]
    assert plugin.num_outputs == len(shapes)
    types = plugin.get_output_data_types(["half", "int32", "int32", "int32"])
    assert types == ["half", *["int32"] * (len(shapes) - 1)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Size("d"), "number of columns of qkv must be known"),
        (Constant(3 * 12 * 12), "qkv has 432 columns, but 12 heads take .* a multiple of 8"),
        (Constant(3 * 12 * 64 + 1), "qkv has 2305 columns"),
        (Constant(3 * 12 * 136), "qkv has 4896 columns, .* at most 128"),
    ],
)
def test_columns_that_the_kernels_do_not_take_are_refused(
    creator: Any, columns: Any, message: str
) -> None:
    inputs = [[Size("T"), columns], [Size("B1")], [Size("T")], [Size("B")]]
    with pytest.raises(ValueError, match=message):
        made(creator).get_output_shapes(inputs, [], Expressions())


@pytest.mark.parametrize("carry", [Carry.SURVIVORS, Carry.BOUNDED])
def test_only_qkv_and_context_are_halves_and_all_are_linear(creator: Any, carry: Carry) -> None:
    plugin = made(creator, carry=int(carry))
    names = (*INPUTS, *plugin.outputs)
    for format_ in ("linear", "chw4"):
        for kind in ("half", "int32"):
            tensors = [SimpleNamespace(desc=SimpleNamespace(format=format_, type=kind))] * 9
            taken = {
                name
                for position, name in enumerate(names)
                if plugin.supports_format_combination(position, tensors, 4)
            }
            halves = {"qkv", "context"}
            wanted = halves if kind == "half" else {*names} - halves
            assert taken == (wanted if format_ == "linear" else set())


def test_scratch_memory_is_for_the_largest_request(creator: Any) -> None:
    plugin = made(creator, carry=int(Carry.SURVIVORS))
    inputs = [SimpleNamespace(max=size) for size in ((500, COLUMNS), (9,), (500,), (8,))]
    layer = plugin.layer(COLUMNS)
    assert plugin.get_workspace_size(inputs, []) == workspace(layer, 500, 8).bytes
    assert (layer.heads, layer.head_size, layer.carry) == (12, 64, Carry.SURVIVORS)
    assert (layer.rule.mode, layer.rule.threshold) == (Mode.ABSOLUTE, 0.125)
    assert (layer.score_length, layer.keep_first) == (128, True)


def test_enqueue_gives_the_kernels_tensors_by_name(
    creator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    device = SimpleNamespace(cudaGetDevice=lambda: (0, 3))
    monkeypatch.setattr(module, "runtime", lambda: device)
    monkeypatch.setattr(module, "pruned_attention", lambda *arguments: calls.append(arguments))
    plugin = made(creator)
    shapes = [SimpleNamespace(dims=size) for size in ((50, COLUMNS), (4,), (50,), (3,))]
    plugin.enqueue(shapes, [], [10, 11, 12, 13], [20, 21, 22, 23], 99, 7)
    pointers = dict(zip((*INPUTS, *RESULTS), (10, 11, 12, 13, 20, 21, 22, 23), strict=True))
    queue = Queue(device=3, stream=7, kernels=Path("kernels"))
    assert calls == [(plugin.layer(COLUMNS), 50, 3, pointers, 99, queue)]


def test_a_plugin_that_only_builds_does_not_run(trt: Any) -> None:
    with pytest.raises(AssertionError, match="for building alone"):
        made(creator_of(trt)).enqueue([], [], [], [], 0, 0)


def test_tensorrts_collection_points_to_arrays_that_outlive_their_making() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    plugin = creator_of(trt).plugin(ATTRIBUTES)
    clobber = []
    for i in range(200):
        collection = plugin.get_fields_to_serialize()
        clobber += [np.full(1, i, np.int32) for _ in range(50)]
        assert {field.name: np.ravel(field.data)[0] for field in collection} == ATTRIBUTES
