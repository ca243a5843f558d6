"""The JSON Schema of manifests, by which the C++ runtime checks them.

It is made of the dataclasses that Python reads manifests with, and committed, since the C++ runtime
is built without Python's packages. After a change of these, write it anew:

    python -m tests.agreement.manifest_schema

JSON Schema calls 1.0 an integer; neither runtime does.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ltp_deploy.backends.table import BACKENDS
from ltp_deploy.bundle.files import FileName, FolderName
from ltp_deploy.bundle.manifest import FORMAT, FORMAT_VERSION, EngineRecord, Manifest
from ltp_deploy.codec import derived_kind, types_of

FILE = Path(__file__).parents[2] / "engines" / "src" / "manifest_schema.inc"
IN_CPP = ("openvino", "tensorrt")  # the backends that C++ has
# Of a name the schema says what it names. Names of files are strings that check themselves.
_SCALARS: dict[Any, dict[str, str]] = {
    FileName: {"type": "string", "format": "file"},
    FolderName: {"type": "string", "format": "folder"},
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
}


def manifest_schema() -> dict[str, Any]:
    """The schema; what the engine's record is depends on the backend."""
    definitions: dict[str, Any] = {}
    root = _schema(Manifest, definitions)
    manifest = definitions[Manifest.__name__]
    head = {"format": {"enum": [FORMAT]}, "format_version": {"type": "integer"}}
    manifest["properties"] = {**head, **manifest["properties"]}
    manifest["required"] = list(manifest["properties"])
    manifest["allOf"] = [
        {
            "if": {"properties": {"backend": {"enum": [name]}}},
            "then": {"properties": {"engine": _schema(BACKENDS[name].record, definitions)}},
        }
        for name in IN_CPP
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The manifest of a bundle, format version {FORMAT_VERSION}",
        **root,
        "$defs": definitions,
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """What `ltp_deploy.codec` reads as this annotation; dataclasses go into `definitions`."""
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if kind is EngineRecord:
        return {"type": "object"}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):  # null first: messages are those of the last choice
        ordered = sorted(arguments, key=lambda choice: choice is not NoneType)
        return {"anyOf": [_schema(choice, definitions) for choice in ordered]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if hasattr(kind, "RECORD"):
        return _schema(kind.RECORD, definitions)
    if issubclass(kind, enum.Enum):
        return {"enum": [name.lower() for name in kind.__members__]}
    assert is_dataclass(kind), kind
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = _object(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _object(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    assert not getattr(kind, "PARTIAL", False), kind
    hints = types_of(kind)
    kinds = {field.name: hints[field.name] for field in fields(kind)}
    kinds |= {name: derived_kind(kind, name) for name in getattr(kind, "DERIVED", ())}
    return {
        "type": "object",
        "properties": {name: _schema(each, definitions) for name, each in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }


def in_cpp(schema: dict[str, Any]) -> str:
    """A string literal of C++ that holds the schema."""
    return (
        "// Written by `python -m tests.agreement.manifest_schema`, from the dataclasses of the\n"
        f'// manifest in Python.\nR"json({_pretty(schema)}\n)json"\n'
    )


def _pretty(value: Any, indent: str = "") -> str:
    """JSON that breaks lines where they would be too long."""
    text = json.dumps(value)
    if len(indent) + len(text) <= 90 or not isinstance(value, dict | list):
        return text
    deeper = indent + "  "
    if isinstance(value, list):
        lines, (opening, closing) = [_pretty(each, deeper) for each in value], "[]"
    else:
        lines = [f"{json.dumps(key)}: {_pretty(each, deeper)}" for key, each in value.items()]
        opening, closing = "{}"
    return f",\n{deeper}".join(lines).join((f"{opening}\n{deeper}", f"\n{indent}{closing}"))


if __name__ == "__main__":
    FILE.write_text(in_cpp(manifest_schema()))
