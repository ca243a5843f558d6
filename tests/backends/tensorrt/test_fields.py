"""The fields of the plugin in Python, and what they must have in common with the C++ plugin's."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ltp_deploy.backends.tensorrt import fields as module
from ltp_deploy.backends.tensorrt.fields import FieldCollection, parse_fields
from ltp_deploy.model.policy import Carry, Mode
from ltp_deploy.model.signature import ATTRIBUTES, EXPECTED

PLUGINS = Path(__file__).parents[3] / "plugins"
VALUES = {
    "heads": 12,
    "mode": 1,
    "score_length": 128,
    "keep_first": 1,
    "carry": 2,
    "threshold": 0.125,
    "expected_per_mille": 900,
}
LARGEST = 2**31 - 1


def fields(**changes: Any) -> list[Any]:
    """As TensorRT gives them; None leaves a field out."""
    given = {
        name: np.array([value], np.float32 if name == "threshold" else np.int32)
        for name, value in VALUES.items()
    }
    return [
        SimpleNamespace(name=name, data=data)
        for name, data in {**given, **changes}.items()
        if data is not None
    ]


def integer(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def number(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_fields_are_read_by_name_and_have_the_attributes_types() -> None:
    found = parse_fields([*fields(), SimpleNamespace(name="other", data=number(7))])
    assert found == {**VALUES, "keep_first": True}
    assert list(found) == [*ATTRIBUTES, EXPECTED]
    assert isinstance(found["keep_first"], bool)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": integer(0)}, "field `heads` is 0; it takes one int32 from 1 to 2147483647"),
        ({"mode": integer(-1)}, "field `mode` is -1; it takes one int32 from 0 to 3"),
        ({"mode": integer(4)}, "field `mode` is 4; it takes one int32 from 0 to 3"),
        ({"score_length": integer(-1)}, "field `score_length` is -1; it takes one int32 from 0"),
        ({"keep_first": integer(2)}, "field `keep_first` is 2; it takes one int32 from 0 to 1"),
        ({"carry": integer(4)}, "field `carry` is 4; it takes one int32 from 0 to 3"),
        ({"threshold": number(np.nan)}, "field `threshold` is nan; it takes one float32"),
        (
            {"threshold": number(np.inf)},
            "field `threshold` is inf; it takes one float32 from -3.40282e+38 to 3.40282e+38",
        ),
        (
            {"mode": integer(3), "threshold": number(1.5)},
            "field `threshold` is 1.5; it takes one float32 from 0 to 1",
        ),
        (
            {"expected_per_mille": integer(1001)},
            "field `expected_per_mille` is 1001; it takes one int32 from 1 to 1000",
        ),
        ({"heads": None}, "field `heads` is missing; it takes one int32 from 1"),
        ({"threshold": None}, "field `threshold` is missing"),
        ({"heads": number(1)}, "field `heads` holds 1 of float32; it takes one int32"),
        ({"threshold": integer(1)}, "field `threshold` holds 1 of int32; it takes one float32"),
        ({"mode": integer(1, 2)}, "field `mode` holds 2 of int32"),
        ({"mode": integer()}, "field `mode` holds 0 of int32"),
        ({"carry": np.array([1], np.int64)}, "field `carry` holds 1 of int64"),
    ],
    ids=str,
)
def test_a_wrong_field_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    """With the messages that `tests/tensorrt/test_fields.cpp` demands of the C++ plugin."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_fields(fields(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        *({"score_length": integer(value)} for value in (0, LARGEST)),
        *({"mode": integer(3), "threshold": number(value)} for value in (0, 0.5, 1)),
        *({"threshold": number(value)} for value in (-0.5, 2)),
    ],
    ids=str,
)
def test_field_values_at_the_limits_are_allowed(changes: dict[str, Any]) -> None:
    parse_fields(fields(**changes))


def test_a_field_collection_holds_what_is_parsed() -> None:
    trt = SimpleNamespace(
        PluginField=lambda name, data, kind: SimpleNamespace(name=name, data=data, type=kind),
        PluginFieldCollection=list,
        PluginFieldType=SimpleNamespace(INT32="int32", FLOAT32="float32"),
    )
    collection = FieldCollection(trt, VALUES).collection
    assert parse_fields(collection) == VALUES
    assert all(field.data.dtype == field.type for field in collection)
    announced = FieldCollection(trt).collection
    assert [(f.name, f.type, len(f.data)) for f in announced] == [
        (f.name, f.type, 0) for f in collection
    ]


@pytest.mark.parametrize("kind", [Mode, Carry])
def test_enumerations_are_those_of_the_kernels(kind: type[Mode] | type[Carry]) -> None:
    text = (PLUGINS / "common" / "pruning_rule.h").read_text()
    body = re.search(rf"enum class {kind.__name__} \{{(.*?)\}}", text, re.DOTALL)
    assert body
    names = re.findall(r"(\w+)\s*(?:,|$)", re.sub(r"//.*", "", body[1]).strip())
    assert [name.upper() for name in names] == [member.name for member in kind]
    assert [int(member) for member in kind] == list(range(len(names)))


def test_field_limits_and_order_are_those_of_the_cpp_plugin() -> None:
    text = (PLUGINS / "tensorrt" / "fields.cpp").read_text()
    visited = re.findall(r'visit\("(\w+)", fields\.\w+, (.*)\);', text)
    assert [name for name, _ in visited] == list(module.TYPES)
    values = {
        **{f"static_cast<int>(Mode::{m})": int(Mode[m.upper()]) for m in ("None", "TopK")},
        **{f"static_cast<int>(Carry::{c})": int(Carry[c.upper()]) for c in ("All", "Bounded")},
        "any_integer": LARGEST,
    }
    limits_of = dict(visited)
    threshold = limits_of.pop("threshold")
    for name, limits in limits_of.items():
        found = tuple(int(values.get(limit, limit)) for limit in limits.split(", "))
        assert module._LIMITS[name] == found, name
    assert threshold == "rate ? 0.f : -any_number, rate ? 1.f : any_number"
