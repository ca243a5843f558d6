"""Dataclasses as JSON and back, every value checked against its annotation.

Understood are str, int, float, bool, None, enums (by name, in lower case), literals of strings,
unions, `tuple[X, ...]`, `Mapping[str, X]`, subclasses of str that check themselves when they are
made, and dataclasses of these. A dataclass may name properties in `DERIVED`: they are written too,
for readers in other languages, and must agree when they are read. One whose `PARTIAL` is true has
some of a document's entries: the others are not looked at. A class with `RECORD` is written as that
dataclass, see `to_record` and `from_record`. No library does this for the runtime, whose
dependencies are kept few. The C++ runtime reads manifests by a JSON Schema that
`tests/agreement/manifest_schema.py` makes of the annotations.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from math import isfinite
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ltp_deploy.errors import LtpError

T = TypeVar("T")
_NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


class Malformed(ValueError):
    """JSON that is not what a dataclass asks for; the message begins with the place."""


def to_json(value: Any) -> Any:
    """Dicts, lists, strings, numbers, booleans and None, ready for `json.dumps`."""
    if hasattr(value, "to_record"):
        value = value.to_record()
    if is_dataclass(value):
        names = [field.name for field in fields(value)] + list(getattr(value, "DERIVED", ()))
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    return value


def from_json(kind: type[T], value: Any, where: str = "", **known: Any) -> T:
    """The `kind` that `to_json` made `value` from.

    Args:
        where: the place of `value` in a document, for messages: names with dots between them.
        known: of a dataclass, fields that are read already.

    Raises:
        Malformed: an entry that is missing, unknown, of another type, or out of its range.
    """
    return cast(T, _read(kind, value, where, known))


def _read(kind: Any, value: Any, where: str, known: Mapping[str, Any] | None = None) -> Any:
    if hasattr(kind, "RECORD"):
        return _made(kind.from_record, _read(kind.RECORD, value, where), where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _either(arguments, value, where)
    if origin is Literal:
        return _name(arguments, value, where)
    if origin is tuple:
        entries = _expect(list, value, where)
        return tuple(_read(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(entries))
    if origin is not None and issubclass(origin, Mapping):
        entries = _expect(dict, value, where)
        return {
            _read(arguments[0], key, where): _read(arguments[1], entry, _at(where, key))
            for key, entry in entries.items()
        }
    if is_dataclass(kind):
        return _dataclass(kind, _expect(dict, value, where), where, known or {})
    if issubclass(kind, enum.Enum):
        names = tuple(name.lower() for name in kind.__members__)
        return kind[_name(names, value, where).upper()]
    return _scalar(kind, value, where)


def _dataclass(kind: Any, entries: dict[str, Any], where: str, known: Mapping[str, Any]) -> Any:
    hints = types_of(kind)
    names = [field.name for field in fields(kind)]
    derived = list(getattr(kind, "DERIVED", ()))
    for name in (*names, *derived):
        if name not in entries:
            raise Malformed(f"it has no entry `{_at(where, name)}`")
    partial = getattr(kind, "PARTIAL", False)
    for name in entries:
        if name not in (*names, *derived) and not partial:
            raise Malformed(f"it has an unknown entry `{_at(where, name)}`")
    read = {
        name: known[name] if name in known else _read(hints[name], entries[name], _at(where, name))
        for name in names
    }
    made = _made(lambda given: kind(**given), read, where)
    for name in derived:
        found = _read(derived_kind(kind, name), entries[name], _at(where, name))
        if found != getattr(made, name):
            raise Malformed(f"`{_at(where, name)}` must be {getattr(made, name)!r}")
    return made


def derived_kind(kind: type, name: str) -> Any:
    """The annotation of a property."""
    return types_of(getattr(kind, name).fget)["return"]


@cache
def types_of(kind: Any) -> dict[str, Any]:
    """The annotations of a dataclass or a function."""
    return get_type_hints(kind)


def _name(names: tuple[str, ...], value: Any, where: str) -> str:
    if not isinstance(value, str) or value not in names:
        known = ", ".join(name or "''" for name in names)
        raise Malformed(f"`{where}` must be one of {known}, found {_shown(value)}")
    return value


def _either(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    for kind in others[:-1]:
        with suppress(Malformed):
            return _read(kind, value, where)
    return _read(others[-1], value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    base = str if issubclass(kind, str) else kind
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = _made(float, value, where)
    _expect(base, value, where)
    if isinstance(value, float) and not isfinite(value):
        raise Malformed(f"`{where}` must be finite, found {value}")
    return value if kind is base else _made(kind, value, where)


def _expect(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise Malformed(f"`{where}` must be {_NAMES[kind]}, found {_shown(value)}")
    return value


def _made(make: Callable[[Any], Any], value: Any, where: str) -> Any:
    try:
        return make(value)
    except Malformed:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, LtpError) as error:
        raise Malformed(f"`{where}`: {error}" if where else str(error)) from None


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
