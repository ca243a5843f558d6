"""Tensors of the Open Inference Protocol: in JSON, or in bytes after it (the binary tensor data
extension)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from pydantic_core import to_json

from ltp_deploy.serve.errors import Malformed

HEADER_LENGTH = "inference-header-content-length"
SIZE = "binary_data_size"
_LENGTH = np.dtype("<u4")  # before each string
_DIGITS = 10  # of a length
_RANK = 2  # the most dimensions of an input
_LARGEST = 2**31  # a dimension of one
DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP32": "<f4",
    "FP64": "<f8",
}
_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}

Parameters = dict[str, bool | int | float | str]


class InputTensor(BaseModel):
    """One input."""

    name: str
    shape: list[int] = Field(description="Of the whole tensor, all sequences included")
    datatype: str
    parameters: Parameters = {}
    data: list[Any] | None = Field(None, description="Flat or nested; without it, binary data")


class OutputTensor(BaseModel):
    """One output that is wanted."""

    name: str
    parameters: Parameters = {}


class InferRequest(BaseModel):
    """A request of the Open Inference Protocol, version 2."""

    id: str | None = None
    parameters: Parameters = {}
    inputs: list[InputTensor]
    outputs: list[OutputTensor] | None = None


def split_body(body: bytes, header: str | None) -> tuple[bytes, bytes]:
    """(the JSON, the bytes after it).

    Args:
        header: the value of the HTTP header that says how long the JSON is, None where it is all.

    Raises:
        Malformed: it says nothing that can be.
    """
    if header is None:
        return body, b""
    digits = header.isascii() and header.isdigit() and len(header) <= _DIGITS
    if not digits or not 0 < int(header) <= len(body):
        raise Malformed(
            f"{HEADER_LENGTH} must be the bytes of the JSON, 1 to {len(body)}, found {header!r:.40}"
        )
    length = int(header)
    return body[:length], body[length:]


def read_tensors(request: InferRequest, binary: bytes) -> dict[str, np.ndarray]:
    """The inputs by name, in their shapes; of datatype BYTES as objects, which are str.

    Args:
        binary: the bytes after the JSON.

    Raises:
        Malformed: a tensor is not what it says of itself.
    """
    found: dict[str, np.ndarray] = {}
    used = 0
    for tensor in request.inputs:
        if tensor.name in found:
            raise Malformed(f"input {tensor.name} is given twice")
        if "shared_memory_region" in tensor.parameters:
            raise Malformed(f"input {tensor.name} lies in shared memory, which is not read here")
        if len(tensor.shape) > _RANK or not all(0 <= n < _LARGEST for n in tensor.shape):
            raise Malformed(
                f"input {tensor.name} must have at most {_RANK} dimensions, each from 0 to "
                f"{_LARGEST - 1}, found {tensor.shape[: _RANK + 1]}"
            )
        size = tensor.parameters.get(SIZE)
        if size is None:
            values = _from_json(tensor)
        elif not isinstance(size, int) or not 0 <= size <= len(binary) - used:
            raise Malformed(
                f"input {tensor.name}: {SIZE} {size}, and {len(binary) - used} bytes are left"
            )
        else:
            values = _from_bytes(tensor, binary[used : used + size])
            used += size
        if values.size != prod(tensor.shape):
            raise Malformed(
                f"input {tensor.name} has {values.size} values, and its shape is {tensor.shape}"
            )
        found[tensor.name] = values.reshape(tensor.shape)
    if used != len(binary):
        raise Malformed(f"{len(binary) - used} bytes belong to no input")
    return found


def write_tensors(
    head: Mapping[str, Any], outputs: Mapping[str, np.ndarray], binary: Collection[str]
) -> tuple[bytes, int | None]:
    """(a response's body, the bytes of its JSON where more follow).

    Args:
        head: what its JSON has besides the outputs.
        outputs: arrays by name, of a datatype in `DTYPES`.
        binary: those that follow the JSON.
    """
    described, after = [], []
    for name, array in outputs.items():
        one = {"name": name, "datatype": _NAMES[array.dtype], "shape": list(array.shape)}
        if name in binary:
            after.append(np.ascontiguousarray(array).tobytes())
            described.append({**one, "parameters": {SIZE: len(after[-1])}})
        else:
            described.append({**one, "data": array.ravel().tolist()})
    text = to_json({**head, "outputs": described})
    return b"".join([text, *after]), len(text) if after else None


def _from_json(tensor: InputTensor) -> np.ndarray:
    """[n] values, from a list that may be nested."""
    if tensor.data is None:
        raise Malformed(f"input {tensor.name} has neither data nor {SIZE}")
    flat = list(_flat(tensor.data, _RANK))
    if tensor.datatype == "BYTES":
        if not all(isinstance(value, str) for value in flat):
            raise Malformed(f"input {tensor.name} is of datatype BYTES, and its data no strings")
        return np.array(flat, object)
    dtype = _dtype(tensor)
    array = np.array(flat) if flat else np.empty(0, dtype)
    mixed = dtype.kind != "b" and bool in map(type, flat)  # which would become numbers
    if mixed or array.dtype.kind not in _KINDS[dtype.kind]:
        raise Malformed(f"input {tensor.name} is of datatype {tensor.datatype}, its data is not")
    if dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise Malformed(f"input {tensor.name} has values beyond {tensor.datatype}")
    return array.astype(dtype)


_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}


def _flat(values: list[Any], depth: int) -> Iterator[Any]:
    """The values of lists that are nested `depth` deep at most."""
    for value in values:
        if not isinstance(value, list):
            yield value
        elif depth > 1:
            yield from _flat(value, depth - 1)
        else:
            raise Malformed(f"data is nested more than {_RANK} deep")


def _from_bytes(tensor: InputTensor, data: bytes) -> np.ndarray:
    """[n] values."""
    if tensor.datatype == "BYTES":
        return np.array(list(_strings(tensor.name, data)), object)
    dtype = _dtype(tensor)
    if len(data) % dtype.itemsize:
        raise Malformed(f"input {tensor.name}: {len(data)} bytes hold no whole {tensor.datatype}")
    return np.frombuffer(data, dtype)


def _strings(name: str, data: bytes) -> Iterator[str]:
    """Strings, each after its length."""
    at = 0
    while at < len(data):
        start = at + _LENGTH.itemsize
        length = int.from_bytes(data[at:start], "little")
        if start + length > len(data):
            raise Malformed(f"input {name}: a string ends beyond the tensor's bytes")
        at = start + length
        try:
            yield data[start:at].decode()
        except UnicodeDecodeError:
            raise Malformed(f"input {name}: a string is not UTF-8") from None


def _dtype(tensor: InputTensor) -> np.dtype[Any]:
    if tensor.datatype not in DTYPES:
        raise Malformed(
            f"input {tensor.name} has the datatype {tensor.datatype!r:.40}; there are BYTES, "
            f"{', '.join(DTYPES)}"
        )
    return np.dtype(DTYPES[tensor.datatype])
