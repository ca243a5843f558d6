"""Rows that hold a query and several passages, as one text for each passage.

Public data sets have such groups in three forms:

- a list of passages, with or without a list of labels:
  {"query": "...", "passages": ["...", "..."], "labels": [1, 0]};
- that of MS MARCO, with the labels beside the passages:
  {"query": "...", "passages": {"passage_text": ["...", "..."], "is_selected": [1, 0]}},
  or a list of such objects for one passage each;
- positives and negatives, which have the labels 1 and 0, each one passage or a list of them:
  {"query": "...", "pos": ["..."], "neg": ["...", "..."]}; also in columns `negative_1`,
  `negative_2`. None, and a string without characters, is no passage there.

Columns are found by the names below, or by what --text-columns names: the query and the passages,
or the query and all columns of positives and negatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ltp_deploy.data.columns import known_texts, named_columns
from ltp_deploy.data.files import Row
from ltp_deploy.data.labels import Label, as_number, read_label
from ltp_deploy.data.texts import Text, check_unicode
from ltp_deploy.errors import LtpError

QUERIES = ("query", "question", "anchor")
PASSAGES = ("passages", "documents", "docs", "texts", "candidates")
LABELS = ("labels", "label", "relevance", "scores")
POSITIVES = re.compile(r"(pos|positives?)(_?[0-9]+)?")
NEGATIVES = re.compile(r"(neg|negatives?)(_?[0-9]+)?")
MARCO_TEXTS, MARCO_LABELS = "passage_text", "is_selected"

Columns = tuple[str, ...]
_Parts = Iterator[tuple[str, Any, Any]]  # where it stands in its row, a passage, its label


class Passage(NamedTuple):
    """One passage of a group.

    Attributes:
        text: the query and the passage.
        label: None where the data has no labels.
    """

    text: tuple[str, str]
    label: Label | None


def read_groups(
    source: str,
    rows: Sequence[Row],
    columns: Sequence[str],
    texts: str | None,
    labels: str | None,
    with_labels: bool = True,
) -> list[Passage] | None:
    """The passages of all rows, in their order; None where no row is a group.

    Args:
        source: for messages.
        columns: of all rows.
        texts, labels: what --text-columns and --label-column say.
        with_labels: whether to read them; without, it does not matter if some are missing.

    Raises:
        LtpError: only some rows are groups, or of another form; it is not clear which columns are
            meant; a group has no passages, one that is no text, or not one label for each.
    """
    known = _named(source, rows, columns, texts) if texts else _known(source, rows, columns, labels)
    if known is None:
        return None
    query, held = known
    group: _List | _Sides
    if _are_sides(held):
        if with_labels:
            _check_no_labels(source, columns, texts, query, held, labels)
        group = _Sides(held)
    else:
        own = _label_column(source, rows, columns, held[0], labels) if with_labels else None
        group = _List(held[0], own)
    return [
        passage
        for number, row in enumerate(rows, 1)
        for passage in _passages(f"{source}, row {number}", row, query, group, with_labels)
    ]


def query_numbers(texts: Sequence[Text]) -> np.ndarray:
    """[N] int64, the number of each text's query, which is the first text of a pair. Queries are
    numbered as they occur; a text that is no pair is a query of its own kind."""
    numbers: dict[str | tuple[str], int] = {}
    keys = [text[0] if isinstance(text, tuple) else (text,) for text in texts]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


@dataclass(frozen=True)
class _List:
    """Passages in a list, and the column with the list of their labels, if there is one."""

    column: str
    labels: str | None

    def parts(self, place: str, row: Row) -> _Parts:
        passages, marco = _opened(row.get(self.column))
        if self.labels is None:
            labels: Any = [None] * len(passages)
        else:
            labels = marco if self.labels == MARCO_LABELS else row.get(self.labels)
        if labels is None:
            raise LtpError(
                f"{place}: the labels in {self.labels!r} are missing; give a list with one label "
                "for each passage, or leave out the row"
            )
        if not isinstance(labels, (list, tuple)):
            raise LtpError(
                f"{place}: {self.labels!r} holds {labels!r:.80}; give a list with one label for "
                f"each of the {len(passages)} passages, or name its column with --label-column"
            )
        if len(labels) != len(passages):
            raise LtpError(
                f"{place}: {len(passages)} passages in {self.column!r}, but {len(labels)} labels "
                f"in {self.labels!r}; give one label for each passage"
            )
        for i, (passage, label) in enumerate(zip(passages, labels, strict=True), 1):
            yield f"passage {i}", passage, label


@dataclass(frozen=True)
class _Sides:
    """Columns with positives, and columns with negatives."""

    columns: Columns

    def parts(self, place: str, row: Row) -> _Parts:
        for column in self.columns:
            value, label = row.get(column), int(_is(POSITIVES, column))
            if isinstance(value, (list, tuple)):
                for i, passage in enumerate(value, 1):
                    yield f"{column} {i}", passage, label
            elif value is not None and value != "":
                yield column, value, label


def _passages(
    place: str, row: Row, query: str, group: _List | _Sides, with_labels: bool
) -> Iterator[Passage]:
    asked = row.get(query)
    if not isinstance(asked, str):
        raise LtpError(f"{place}: the query in {query!r} is missing or no text: {asked!r:.80}")
    check_unicode(f"{place}: the query {asked!r:.200}", asked)
    parts = list(group.parts(place, row))
    if not parts:
        raise LtpError(f"{place}: the query {asked!r:.80} has no passages; leave out the row")
    for where, passage, label in parts:
        here = f"{place}, {where}"
        if not isinstance(passage, str):
            raise LtpError(f"{here}: a passage must be a string, found {passage!r:.80}")
        check_unicode(f"{here}: the text {passage!r:.200}", passage)
        labelled = with_labels and not (isinstance(group, _List) and group.labels is None)
        yield Passage((asked, passage), read_label(here, label) if labelled else None)


def _named(
    source: str, rows: Sequence[Row], columns: Sequence[str], texts: str
) -> tuple[str, Columns] | None:
    """The query and the passages that --text-columns names; None where it names plain texts."""
    query, *held = named_columns(texts, columns, f"{source} has no text columns")
    if len(held) == 1 and any(_is_list(row.get(held[0])) for row in rows):
        if _is(POSITIVES, held[0]) or _is(NEGATIVES, held[0]):
            raise LtpError(
                f"{source}: --text-columns {texts} names one side of the passages; name both, as "
                "in --text-columns query,pos,neg"
            )
    elif not _are_sides(held):
        return None
    _check_alike(source, rows, query, [tuple(held)])
    return query, tuple(held)


def _known(
    source: str, rows: Sequence[Row], columns: Sequence[str], labels: str | None
) -> tuple[str, Columns] | None:
    """The query and the passages by the columns' usual names; None where there are none."""
    stated = {name.strip().lower() for name in (labels or "").split(",")}
    free = [column for column in columns if _plain(column) not in stated]
    queries = [column for column in free if _plain(column) in QUERIES]
    lists = [column for column in free if _plain(column) in PASSAGES]
    ways: list[Columns] = [
        (column,) for column in lists if any(_is_list(row.get(column)) for row in rows)
    ]
    sides = [c for c in free if _is(POSITIVES, c) or _is(NEGATIVES, c)]
    sides = [column for column in sides if any(_is_passage(row.get(column)) for row in rows)]
    if _are_sides(sides):
        ways.append(tuple(sides))
    if not queries or not ways:
        return None
    choices: list[Columns] = [(query, *way) for query in queries for way in ways]
    if len(queries) == 1:
        _check_alike(source, rows, queries[0], ways)
        rest = [c for c in columns if c not in ways[0] and "label" not in _plain(c)]
        choices += known_texts(rows, rest)
    if len(choices) > 1:
        raise LtpError(
            f"{source}: which columns hold the query and its passages? found {list(columns)}; use "
            "--text-columns " + " or --text-columns ".join(map(",".join, choices))
        )
    return queries[0], ways[0]


def _check_alike(source: str, rows: Sequence[Row], query: str, ways: Sequence[Columns]) -> None:
    """Refuse rows that hold passages in other columns than the first row, or in none."""
    first = _held(rows[0], ways)
    others = ((i, held) for i, row in enumerate(rows, 1) if (held := _held(row, ways)) != first)
    number, held = next(others, (1, first))
    if not held or number > 1:
        beside = f", and row 1 {_said(first, ways)}" if number > 1 else ""
        raise LtpError(
            f"{source}, row {number} holds {_said(held, ways)}{beside}: each row must have a query "
            f"in {query!r} and its passages in the same columns; bring all rows to one form, or "
            "put them into files of their own"
        )


def _held(row: Row, ways: Sequence[Columns]) -> list[Columns]:
    return [way for way in ways if any(_holds(row.get(c), _are_sides(way)) for c in way)]


def _said(held: Sequence[Columns], ways: Sequence[Columns]) -> str:
    if held:
        return f"passages in {', '.join(repr(column) for way in held for column in way)}"
    lists = " or ".join(", ".join(map(repr, way)) for way in ways)
    return f"no passages in {lists}"


def _label_column(
    source: str, rows: Sequence[Row], columns: Sequence[str], passages: str, named: str | None
) -> str | None:
    """The column with the lists of labels; None where none is known by name."""
    within = [labels for row in rows if (labels := _opened(row.get(passages))[1]) is not None]
    if named:
        if named == MARCO_LABELS and within:
            return MARCO_LABELS
        found = named_columns(named, columns, f"{source} has no label column")
        if len(found) > 1:
            raise LtpError(
                f"{source}: --label-column {named} names {len(found)} columns; the labels of a "
                f"list of passages ({passages!r}) are one list, in one column"
            )
        return found[0]
    possible = [column for column in columns if _plain(column) in LABELS]
    possible += [MARCO_LABELS] if within else []
    if len(possible) > 1:
        raise LtpError(
            f"{source}: which column holds the labels? found {possible}; pass --label-column "
            + " or --label-column ".join(possible)
        )
    return possible[0] if possible else None


def _check_no_labels(
    source: str,
    columns: Sequence[str],
    texts: str | None,
    query: str,
    sides: Columns,
    named: str | None,
) -> None:
    """Refuse labels beside positives and negatives, which have theirs by their columns."""
    rule = f"the passages in {', '.join(map(repr, sides))} have the labels 1 and 0 by their columns"
    if named:
        raise LtpError(f"{source}: {rule}; leave out --label-column {named}")
    others = [column for column in columns if _plain(column) in (*LABELS, "score")]
    if others and not texts:
        raise LtpError(
            f"{source}: {rule}, and there is a column {others[0]!r}; to leave that out pass "
            f"--text-columns {','.join((query, *sides))}"
        )


def _opened(value: Any) -> tuple[Sequence[Any], Sequence[Any] | None]:
    """A list of passages, and the labels where MS MARCO's form has them within."""
    if isinstance(value, dict) and MARCO_TEXTS in value:
        texts, labels = value[MARCO_TEXTS], value.get(MARCO_LABELS)
        return (texts if isinstance(texts, (list, tuple)) else [texts]), labels
    passages: Sequence[Any] = value if isinstance(value, (list, tuple)) else []
    if passages and all(isinstance(part, dict) and MARCO_TEXTS in part for part in passages):
        labels = [part.get(MARCO_LABELS) for part in passages]
        texts = [part[MARCO_TEXTS] for part in passages]
        return texts, labels if any(label is not None for label in labels) else None
    return passages, None


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, dict) and MARCO_TEXTS in value)


def _is_passage(value: Any) -> bool:
    """Whether a value is surely no flag or number; columns of these are no passages."""
    return isinstance(value, (list, tuple)) or (
        isinstance(value, str) and bool(value.strip()) and as_number(value) is None
    )


def _holds(value: Any, side: bool) -> bool:
    return _is_list(value) or (side and value is not None and value != "")


def _are_sides(columns: Iterable[str]) -> bool:
    """Whether all columns have names of positives or negatives, and both are there."""
    sides = [(_is(POSITIVES, column), _is(NEGATIVES, column)) for column in columns]
    return all(map(any, sides)) and all(any(column[i] for column in sides) for i in (0, 1))


def _is(pattern: re.Pattern[str], column: str) -> bool:
    return pattern.fullmatch(_plain(column)) is not None


def _plain(name: str) -> str:
    return name.strip().lower()
