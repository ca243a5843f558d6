"""From the labels of data to the numbers of a model's outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from numbers import Real
from typing import NoReturn

from ltp_deploy.data.labels import ClassName, Label, as_number, generic_names, label_text
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig

Find = Callable[[str | float], int | None]


def by_name(config: EncoderConfig) -> Find:
    """The output that a label names, literally or else without regard to case; None where there is
    none, or several. A model without names knows those that transformers gives: LABEL_0, ..."""
    names = _names(config) or generic_names(config.num_labels)
    literal = _unique(map(label_text, names))
    folded = _unique(label_text(name).casefold() for name in names)

    def find(label: str | float) -> int | None:
        text = label_text(label)
        return literal[text] if text in literal else folded.get(text.casefold())

    return find


def _names(config: EncoderConfig) -> tuple[str, ...]:
    """The names of the outputs; () where they are their numbers, which name nothing."""
    numbers = tuple(map(str, range(config.num_labels)))
    return () if config.labels == numbers else config.labels


def _unique(names: Iterable[str]) -> dict[str, int]:
    """The places of the names that occur once."""
    names = list(names)
    count = Counter(names)
    return {name: i for i, name in enumerate(names) if count[name] == 1}


def by_number(config: EncoderConfig) -> Find:
    """The output whose number, counted from 0, a label is; None where there is none. true, false,
    and a class that the data names are numbers only where the model knows no names."""
    named = bool(_names(config))

    def find(label: str | float) -> int | None:
        number = as_number(label)
        words = isinstance(label, ClassName) or label_text(label) in ("true", "false")
        if number is None or (words and named):
            return None
        return int(number) if number in range(config.num_labels) else None

    return find


def numbered(labels: Sequence[str | float], least: int) -> int:
    """How many outputs labels need that are numbers from 0.

    Args:
        labels: of all texts.
        least: how many outputs there must be.

    Raises:
        LtpError: they are no such numbers, or one is missing between them.
    """
    found = {label: as_number(label) for label in labels}
    wrong = [label for label, n in found.items() if n is None or n < 0 or not n.is_integer()]
    if wrong:
        raise LtpError(
            f"a new head needs labels that are numbers from 0, found {wrong[:5]}; several labels "
            "of a text may be columns of 0 and 1 that --label-column lists"
        )
    numbers = {int(n) for n in found.values() if n is not None}
    needed = range(max([least - 1, *numbers]) + 1)
    if len(numbers) < len(needed):
        missing = list(islice((n for n in needed if n not in numbers), 5))
        raise LtpError(
            f"a new head needs labels that are numbered from 0, at least {least}, and data in "
            f"which each occurs: they go up to {needed[-1]}, and {missing} occur nowhere"
        )
    return len(needed)


def one_label(row: int, label: Label) -> str | float:
    """The label of a text that has exactly one.

    Raises:
        LtpError: it has several, or a list of them.
    """
    if not isinstance(label, (str, Real)):
        raise LtpError(
            f"row {row}: one label for each text is needed, found {label!r:.80}; labels of tokens "
            "and spans of answers are not supported, and lists of labels only by models whose "
            "config.json has the problem_type multi_label_classification"
        )
    return label


def refuse_unknown(row: int, label: str | float, config: EncoderConfig) -> NoReturn:
    """Say that the label of this row is none of the model's.

    Raises:
        LtpError: always.
    """
    known = list(config.labels) or f"0..{config.num_labels - 1}"
    text, hint = label_text(label), ""
    if text == "-":
        hint = "; SNLI and MNLI write - where annotators do not agree: leave out these rows"
    elif text == "-1":
        hint = "; data sets often write -1 where there is no label: leave out these rows"
    elif [label_text(name) for name in config.labels].count(text) > 1:
        hint = "; several outputs have this name, so give their numbers"
    elif isinstance(label, ClassName):
        hint = (
            f"; the data calls its class {label.number} so: write the model's names into a data "
            "file, or the numbers of its outputs alone"
        )
    raise LtpError(f"row {row} has the label {label!r}, the model knows {known}{hint}")


def refuse_mixture(named: tuple[int, object], numbered: tuple[int, object]) -> NoReturn:
    """Say that one row has a name of the model and another one a number; both are (row, label).

    Raises:
        LtpError: always.
    """
    raise LtpError(
        f"row {named[0]} has the label {named[1]!r}, a name that the model knows, and row "
        f"{numbered[0]} {numbered[1]!r}, which can only be an output's number; use names or "
        "numbers for all"
    )


def all_known(found: Sequence[int | None]) -> list[int] | None:
    """The numbers, where none of them is None."""
    known = [number for number in found if number is not None]
    return known if len(known) == len(found) else None
