"""Labels as data has them, before a head says what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ltp_deploy.errors import LtpError

# As data files write numbers; Python also reads 1_0 and infinity.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf)")


class ClassName(str):
    """The name of a class that the data numbers, and its number there.

    Attributes:
        number: counts for models that know no names; for the others the name does.
    """

    number: int

    def __new__(cls, name: str, number: int) -> ClassName:
        found = super().__new__(cls, name)
        found.number = number
        return found


# A class or value as text or number; several classes of a text; or whether each named label holds.
Label = str | float | Sequence[str | float] | Mapping[str, bool]


def read_label(place: str, value: Any) -> str | list[str]:
    """The text of a label, or the texts of a list of them.

    Args:
        place: the source and row, for messages.

    Raises:
        LtpError: it is missing, or infinite or NaN, or neither text, number nor a list of them.
    """
    if isinstance(value, (list, tuple)):
        return [_read_one(place, part) for part in value]
    return _read_one(place, value)


def read_flags(place: str, row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, bool]:
    """Whether each label holds, from columns of 0 and 1 that have the labels' names.

    Raises:
        LtpError: another value.
    """
    found = {}
    for column in columns:
        number = as_number(_read_one(place, row.get(column)))
        if number not in (0, 1):
            raise LtpError(
                f"{place}: the label column {column!r} holds {row.get(column)!r}; where several "
                "columns hold labels, each says by 0 or 1 whether its label holds"
            )
        found[column.strip()] = bool(number)
    return found


def with_name(label: str, names: Mapping[int, str]) -> str:
    """The name of a label that is a class's number, else the label itself."""
    number = as_number(label)
    if number is None or number not in names:
        return label
    return ClassName(names[int(number)], int(number))


def generic_names(outputs: int) -> tuple[str, ...]:
    """What transformers calls the outputs of a model that has no names for them."""
    return tuple(f"LABEL_{i}" for i in range(outputs))


def id2label(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The entries of config.json that name the outputs."""
    return {
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
    }


def label_text(label: str | float) -> str:
    """The text by which a label is compared with names: whole numbers without a point ("1" for
    1.0), truth values in small letters."""
    text = str(label).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    number = as_number(text)
    whole = number is not None and isfinite(number) and number.is_integer()
    return str(int(number)) if whole and number is not None else text


def as_number(label: str | float) -> float | None:
    """The number that a label is or reads as, 1 and 0 for true and false; None for other text. That
    of a `ClassName` is its class's."""
    if isinstance(label, ClassName):
        return float(label.number)
    text = str(label).strip().lower()
    if text in ("true", "false"):
        return float(text == "true")
    return float(text) if _NUMBER.fullmatch(text) else None


def _read_one(place: str, value: Any) -> str:
    text = "" if value is None else str(value).strip()
    if not text:
        raise LtpError(f"{place}: the label is missing")
    if isinstance(value, (list, tuple, dict)):
        raise LtpError(
            f"{place}: the label is {value!r:.80}; it must be text, a number, or a list of them"
        )
    number = as_number(text)
    if number is not None and not isfinite(number):
        raise LtpError(f"{place}: the label is {text}; leave out rows without a label")
    return text
