"""JSON as it may come from anybody; that of manifests as the C++ runtime reads it: what one
refuses, the other refuses."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

MAX_DEPTH = 100  # of values within one another
_INT64 = 2**63


def parse(encoded: bytes, foreign: bool = False) -> Any:
    """The value of a JSON document (RFC 8259) in UTF-8.

    Integers that 64 bits do not hold become floats.

    Args:
        foreign: of another program: as Python takes it, an object may have a key twice, of which
            the last counts, and numbers may be infinite or NaN.

    Raises:
        ValueError: it is malformed, an object has a key twice, a string holds half a character, a
            number is too large for a float, or values nest more than `MAX_DEPTH` deep.
    """
    if encoded.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte order mark")
    strict: dict[str, Any] = {
        "object_pairs_hook": _without_duplicates,
        "parse_constant": _refuse_constant,
        "parse_float": _finite,
    }
    try:
        document = json.loads(encoded.decode(), parse_int=_integer, **({} if foreign else strict))
    except RecursionError:
        raise ValueError("values are nested too deeply") from None
    _check(document, MAX_DEPTH)
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two readers each could take another value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"the number {text:.40} is too large")
    return value


def _integer(text: str) -> int | float:
    value = _finite(text)
    if abs(value) > _INT64:  # and perhaps of too many digits for `int`
        return value
    number = int(text)
    return number if -_INT64 <= number < _INT64 else value


def _check(value: Any, depth: int) -> None:
    """Depth, and what no encoding can hold: `\\ud800` in JSON is half a character."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list | dict):
        if depth == 0:
            raise ValueError("values are nested too deeply")
        for key in value:
            _check(key, depth - 1)
            if isinstance(value, dict):
                _check(value[key], depth - 1)
