"""Rows as they are read, of files of any kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from ltp_deploy.data.texts import Text, check_unicode, lone_surrogate
from ltp_deploy.errors import InputError


class Row(NamedTuple):
    """One row.

    Attributes:
        values: by column; what could be read, where the row failed.
        failure: why it cannot be scored, "" where it may be.
    """

    values: dict[str, Any]
    failure: str = ""


@dataclass(frozen=True)
class Rows:
    """N rows of a shard.

    Attributes:
        texts: None of rows that failed.
        failures: reasons by the row's place in the shard.
        kept: what is written again: a `pyarrow.Table`, or the values of each row.
    """

    texts: list[Text | None]
    failures: dict[int, str]
    kept: Any


def text_of(values: dict[str, Any], columns: tuple[str, ...]) -> Text:
    """The text of a row, or its pair of texts: from two columns, or from two strings in one.

    Raises:
        InputError: a text is missing, or something else.
    """
    found: list[Any] = [values.get(name) for name in columns]
    names = [f"`{name}`" for name in columns]
    if len(found) == 1 and isinstance(found[0], (list, tuple)) and len(found[0]) == 2:
        found, names = list(found[0]), [f"{names[0]}[{i}]" for i in range(2)]
    for name, value in zip(names, found, strict=True):
        if value is None:
            where = "is null" if name.split("`")[1] in values else "is missing"
            raise InputError(f"{name} {where}")
        if isinstance(value, bytes):
            raise InputError(f"{name} is not UTF-8 text: {value!r:.80}")
        if not isinstance(value, str):
            raise InputError(f"{name} is no text: {value!r:.80}")
        check_unicode(name, value)
    return found[0] if len(found) == 1 else (found[0], found[1])


def cell(value: Any) -> str | None:
    """A value as text: strings are themselves, all others their JSON."""
    if value is None:
        return None
    return encodable(value if isinstance(value, str) else to_json(value))


def to_json(value: Any) -> str:
    """JSON on one line; times, decimals and the like are strings in it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def encodable(text: str) -> str:
    """The text, with a question mark for each half of a character."""
    return text if lone_surrogate(text) is None else text.encode("utf-8", "replace").decode()
