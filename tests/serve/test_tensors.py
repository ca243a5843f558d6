"""Tensors as the protocol writes them: what is read is what was meant, the rest is refused."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="FastAPI is not installed")

from ltp_deploy.serve.errors import Malformed
from ltp_deploy.serve.tensors import (
    DTYPES,
    InferRequest,
    read_tensors,
    split_body,
    write_tensors,
)


def request(**tensor: Any) -> InferRequest:
    return InferRequest(inputs=[{"name": "x", **tensor}])


@given(st.lists(st.text(max_size=20), max_size=8))
def test_strings_in_bytes_are_read_as_written(strings: list[str]) -> None:
    encoded = [text.encode() for text in strings]
    data = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    parameters = {"binary_data_size": len(data)}
    asked = request(datatype="BYTES", shape=[len(strings)], parameters=parameters)
    assert read_tensors(asked, data)["x"].tolist() == strings


@pytest.mark.parametrize("datatype", DTYPES)
def test_numbers_are_read_alike_from_json_and_bytes(datatype: str) -> None:
    values = np.array([[1, 0, 1], [0, 1, 0]], DTYPES[datatype])
    data = values.tobytes()
    flat = request(datatype=datatype, shape=[2, 3], data=values.ravel().tolist())
    nested = request(datatype=datatype, shape=[2, 3], data=values.tolist())
    size = {"binary_data_size": len(data)}
    binary = request(datatype=datatype, shape=[2, 3], parameters=size)
    for asked, after in ((flat, b""), (nested, b""), (binary, data)):
        found = read_tensors(asked, after)["x"]
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)


def test_what_is_written_can_be_read_again() -> None:
    arrays = {"a": np.float32([[0.1, -2.5], [3e-9, 7]]), "b": np.float32([[1]])}
    body, length = write_tensors({"id": "1"}, arrays, {"b"})
    assert length is not None
    head = json.loads(body[:length])
    assert head["id"] == "1"
    head["inputs"] = head.pop("outputs")
    found = read_tensors(InferRequest(**head), body[length:])
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    body, length = write_tensors({}, arrays, ())
    assert length is None
    assert json.loads(body)["outputs"][1]["data"] == [1.0]


def test_the_json_ends_where_the_header_says() -> None:
    assert split_body(b'{"a":1}xyz', "7") == (b'{"a":1}', b"xyz")
    assert split_body(b'{"a":1}', None) == (b'{"a":1}', b"")
    for header in ("0", "-1", "11", "x", "²"):
        with pytest.raises(Malformed, match="bytes of the JSON, 1 to 10"):
            split_body(b'{"a":1}xyz', header)


@pytest.mark.parametrize(
    ("tensor", "after", "message"),
    [
        ({"datatype": "INT64", "shape": [2], "data": [1]}, b"", "1 values, and its shape is [2]"),
        (
            {"datatype": "INT64", "shape": [-1], "data": [1]},
            b"",
            "each from 0 to 2147483647, found [-1]",
        ),
        (
            {"datatype": "INT64", "shape": [1], "data": [1.5]},
            b"",
            "datatype INT64, its data is not",
        ),
        ({"datatype": "INT64", "shape": [1], "data": [True]}, b"", "its data is not"),
        ({"datatype": "INT64", "shape": [2], "data": [2, True]}, b"", "its data is not"),
        ({"datatype": "INT64", "shape": [1], "data": ["1"]}, b"", "its data is not"),
        ({"datatype": "INT64", "shape": [1], "data": [2**70]}, b"", "its data is not"),
        ({"datatype": "INT8", "shape": [1], "data": [200]}, b"", "values beyond INT8"),
        ({"datatype": "BYTES", "shape": [1], "data": [1]}, b"", "its data no strings"),
        ({"datatype": "FP16", "shape": [1], "data": [1]}, b"", "datatype 'FP16'; there are BYTES"),
        ({"datatype": "INT64", "shape": [1]}, b"", "neither data nor binary_data_size"),
        ({"datatype": "INT64", "shape": [1], "data": [1]}, b"1", "1 bytes belong to no input"),
        (
            {"datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 9}},
            b"12345678",
            "binary_data_size 9, and 8 bytes are left",
        ),
        (
            {"datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": -1}},
            b"12345678",
            "binary_data_size -1",
        ),
        (
            {"datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 7}},
            b"1234567",
            "7 bytes hold no whole INT64",
        ),
        (
            {"datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}},
            b"\x09\0\0\0ab",
            "a string ends beyond",
        ),
        (
            {"datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 2}},
            b"\x00\0",
            "a string ends beyond",
        ),
        (
            {"datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 5}},
            b"\x01\0\0\0\xff",
            "is not UTF-8",
        ),
        ({"datatype": "INT64", "shape": [1] * 65, "data": [2]}, b"", "at most 2 dimensions"),
        ({"datatype": "INT64", "shape": [9] * 900_000, "data": [2]}, b"", "at most 2 dimensions"),
        ({"datatype": "INT64", "shape": [0, 2**65], "data": []}, b"", "each from 0 to 2147483647"),
        ({"datatype": "INT64", "shape": [1, 1], "data": [[[2]]]}, b"", "nested more than 2 deep"),
        (
            {"datatype": "INT64", "shape": [1], "parameters": {"shared_memory_region": "r"}},
            b"",
            "shared memory",
        ),
    ],
)
def test_what_is_not_as_it_says_is_refused(
    tensor: dict[str, Any], after: bytes, message: str
) -> None:
    with pytest.raises(Malformed) as error:
        read_tensors(request(**tensor), after)
    assert message in str(error.value)


def test_an_input_is_given_once() -> None:
    one = {"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}
    with pytest.raises(Malformed, match="x is given twice"):
        read_tensors(InferRequest(inputs=[one, one]), b"")
