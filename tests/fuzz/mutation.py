"""Random edits: JSON by its values, OpenVINO's XML by its attributes, and any file by its bytes."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.edits import SPECIAL, Edit, Place

# JSON texts; the last ones are malformed, or are JSON to some readers alone.
VALUES = (
    "null true false -1 0 1 2 3 -0.0 0.5 1e308 1e-320 255 65536 2147483647 2147483648 -2147483649 "
    '4294967296 9223372036854775807 9223372036854775808 1e19 "" "." ".." "/" "a" "NaN" [] {} [[]] '
    '[null] {"":{}} ["a","a"] "\\u0000" NaN -Infinity 1e999 "\\ud800" 01 +1 \'a\' 1,2 ] }'
).split()
VALUES += ['"' + "a" * 5000 + '"', "[" * 99 + "]" * 99, "[" * 200, "9" * 400, '"../engine.bin"']
WORDS = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b'"', b",", b":"),
    *(b"<", b">", b"/>", b"&", b"&#0;", b"&a;", b"<!DOCTYPE a>", b"-1", b"0", b"4294967296"),
    *(b"99999999999999999999", b"nan", b"1e999", b"\x80\x02", b"PK\x03\x04", b"../"),
)
ATTRIBUTES = (
    *("", "-1", "0", "1", "2", "3", "7", "64", "4096", "2147483647", "4294967296", "-9", "1e9"),
    *("18446744073709551615", "nan", "inf", "a", "f16", "f64", "i64", "string", "dynamic", "..5"),
    *("topk", "absolute", "none", "survivors", "first", "all", "1,1,1,1,1", "-1,64", "?"),
)
_ATTRIBUTE = re.compile(rb'="([^"]*)"')
_ELEMENT = re.compile(rb"<(layer|edge|dim|port|data)\b[^>]*/?>|<layer\b.*?</layer>", re.DOTALL)


def random_edit(rng: random.Random, file: str, data: bytes) -> Edit:
    """A change of a file with this content."""
    if rng.random() < 0.01:
        return Edit(file, rng.choice([*SPECIAL, "remove"]))
    if rng.random() < 0.2:
        return _bytes(rng, file, data)
    suffix = Path(file).suffix
    if suffix == ".json":
        return _tree(rng, file, data, "set")
    if suffix == ".xml":
        return _xml(rng, file, data)
    if suffix == ".safetensors" and rng.random() < 0.8:
        (length,) = struct.unpack("<Q", data[:8])
        return _tree(rng, file, data[8 : 8 + length], "header")
    return _bytes(rng, file, data)


def _bytes(rng: random.Random, file: str, data: bytes) -> Edit:
    begin, some = rng.randrange(len(data) + 1), rng.choice((1, 2, 8, 100))
    how = rng.randrange(5)
    if how == 0 and data:  # a bit
        begin = min(begin, len(data) - 1)
        return _splice(file, begin, 1, bytes([data[begin] ^ (1 << rng.randrange(8))]))
    if how == 1:
        return Edit(file, "cut", (begin,))
    if how == 2:
        return _splice(file, begin, some, b"")
    if how == 3:
        return _splice(file, begin, 0, data[begin : begin + some] * rng.choice((1, 3)))
    return _splice(file, begin, rng.choice((0, 0, 1, 4)), rng.choice(WORDS))


def _splice(file: str, begin: int, length: int, new: bytes) -> Edit:
    return Edit(file, "splice", (begin, length), new.hex())


def _tree(rng: random.Random, file: str, data: bytes, how: str) -> Edit:
    places = list(_places(json.loads(data)))
    if not places:
        return _bytes(rng, file, data)
    place, old = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0 and how == "set":
        return Edit(file, "drop", place)
    if kind == 1 and place and isinstance(place[-1], str):  # its key stands twice
        key, text = json.dumps(place[-1]), json.dumps(old)
        return Edit(file, how, place, f"{text}, {key}: {text}")
    if kind == 2 and isinstance(old, int) and not isinstance(old, bool):
        return Edit(file, how, place, str(old + rng.choice((-1, 1, old, 2**31, 2**32))))
    if kind == 3:  # another value of the document
        return Edit(file, how, place, json.dumps(rng.choice(places)[1]))
    return Edit(file, how, place, rng.choice(VALUES))


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in a document but the document itself, with its place."""
    keys: Place = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        yield (*place, key), value[key]
        yield from _places(value[key], (*place, key))


def _xml(rng: random.Random, file: str, data: bytes) -> Edit:
    attributes = list(_ATTRIBUTE.finditer(data))
    elements = list(_ELEMENT.finditer(data))
    if not attributes or not elements:
        return _bytes(rng, file, data)
    kind = rng.randrange(8)
    if kind == 0:
        element = rng.choice(elements)
        return _splice(file, element.start(), element.end() - element.start(), b"")
    if kind == 1:
        element, other = rng.choice(elements), rng.choice(elements)
        return _splice(file, element.start(), element.end() - element.start(), other[0])
    if kind == 2:
        element = rng.choice(elements)
        return _splice(file, element.start(), 0, element[0])
    attribute = rng.choice(attributes)
    new = rng.choice(ATTRIBUTES).encode() if kind < 6 else rng.choice(attributes)[1]
    return _splice(file, attribute.start(1), len(attribute[1]), new)
