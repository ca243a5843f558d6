"""What data calls the classes that it gives by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ltp_deploy.data.columns import find_column
from ltp_deploy.data.files import Row
from ltp_deploy.data.labels import as_number
from ltp_deploy.errors import LtpError

# A column beside the column `label` with the names of its classes, as exports of data sets have it.
_BESIDE = ("_text", "_name", "_names")


def class_names(
    source: str, rows: Sequence[Row], labels: Sequence[str], features: Mapping[str, Any] | None
) -> dict[int, str]:
    """The names of classes by their numbers; {} where the data gives none.

    Args:
        source: for messages.
        labels: the columns that hold labels.
        features: of a data set of the library `datasets`, by column: a `ClassLabel`, or a list of
            them, has the names.

    Raises:
        LtpError: the column of names calls one class by two names, or two classes by one.
    """
    if len(labels) != 1:
        return {}
    names = dict(enumerate(_declared((features or {}).get(labels[0]))))
    names = names or _from_column(source, rows, labels[0])
    numbers = all(name == str(number) for number, name in names.items())
    return {} if numbers else names


def _declared(feature: Any) -> list[str]:
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    return list(getattr(inner, "names", None) or [])


def _from_column(source: str, rows: Sequence[Row], label: str) -> dict[int, str]:
    columns = dict.fromkeys(name for row in rows for name in row)
    stem = label.strip().removesuffix("s")  # label_text stands beside labels, too
    beside = [find_column(stem + end, columns) for end in _BESIDE]
    column = next((name for name in beside if name is not None), None)
    if column is None:
        return {}
    names: dict[int, str] = {}
    for row in rows:
        number, name = as_number(str(row.get(label))), row.get(column)
        if number is None or not number.is_integer():
            return {}  # the labels are no numbers of classes
        if name is None or not str(name).strip():
            continue  # of a class that another row names
        name = str(name).strip()
        if names.setdefault(int(number), name).casefold() != name.casefold():
            raise _unclear(source, label, column, f"class {int(number)} has two names")
    unnamed = {int(as_number(str(row.get(label))) or 0) for row in rows} - set(names)
    if names and unnamed:
        raise _unclear(source, label, column, f"class {min(unnamed)} has no name")
    if len({name.casefold() for name in names.values()}) < len(names):
        raise _unclear(source, label, column, "two classes have the same name")
    return names


def _unclear(source: str, label: str, column: str, why: str) -> LtpError:
    return LtpError(
        f"{source}: the column {column!r} does not name the classes in {label!r}: {why}; leave it "
        f"out, or take its values as labels by --label-column {column}"
    )
