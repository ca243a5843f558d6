"""Which columns of a data set hold its texts and its labels.

Text columns that are not named with `--text-columns` are found by name: one of `PAIRS`, or one of
`SINGLES`. Names are taken literally first, then without regard to case and surrounding spaces.
Where another column may hold text too, reading stops and asks. A column counts as no text if

- it is the label, or has "label" in its name;
- its name ends in `_parse` (the syntax trees of SNLI and MNLI);
- its name is not one of `TEXTS`, and none of its values is prose: two words, or letters of a script
  that has no capitals and may write words without spaces. Ids, numbers, addresses, codes and
  categories of one word are such. So are second texts of one word each, such as the aspects of
  reviews: nothing tells these from categories, and `--text-columns` must name them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from ltp_deploy.data.files import Row
from ltp_deploy.data.labels import as_number
from ltp_deploy.errors import LtpError

PAIRS = (
    ("sentence1", "sentence2"),  # GLUE
    ("sentence_1", "sentence_2"),
    ("sentence_A", "sentence_B"),  # SICK
    ("question1", "question2"),  # QQP
    ("question_1", "question_2"),
    ("#1 String", "#2 String"),  # MRPC
    ("text_a", "text_b"),
    ("text1", "text2"),
    ("text_1", "text_2"),
    ("text", "text_pair"),
    ("premise", "hypothesis"),  # SNLI, MNLI, XNLI
    ("claim", "evidence"),  # FEVER
    ("question", "sentence"),  # QNLI
    ("question", "passage"),  # BoolQ
    ("question", "context"),  # SQuAD
    ("question", "answer"),  # WikiQA
    ("query", "passage"),  # MS MARCO
    ("query", "document"),
    ("query", "text"),
    ("query", "answer"),
    ("query", "response"),
)
SINGLES = (
    "text",
    "sentence",
    "review",
    "content",
    "comment",
    "comment_text",
    "tweet",
    "message",
    "utterance",
)
TEXTS = {
    *(name for pair in PAIRS for name in pair),
    *SINGLES,
    *("title", "headline", "subject", "description", "summary", "abstract", "body"),
}
# Of the first, one is the label whatever else there is; of the second, where no other column has
# "label" in its name.
LABELS = (
    ("label", "labels", "gold_label"),
    (
        *("score", "target", "is_duplicate", "sentiment", "Quality"),
        *("class", "relevance", "similarity", "similarity_score", "relatedness_score"),
    ),
)


def find_column(name: str, columns: Iterable[str]) -> str | None:
    """The column of that name: literally, or else without regard to case and outer spaces.

    Raises:
        LtpError: several columns differ in these alone.
    """
    columns = list(columns)
    if name in columns:
        return name
    alike = [column for column in columns if _plain(column) == _plain(name)]
    if len(alike) > 1:
        raise LtpError(
            f"the columns {alike} differ in case and spaces alone: which is meant by {name!r}? "
            "name it as it is written, with --text-columns or --label-column"
        )
    return alike[0] if alike else None


def named_columns(names: str, columns: Sequence[str], what: str) -> tuple[str, ...]:
    """The columns that an option names, with commas between them.

    Args:
        what: begins the message about one that is not there.

    Raises:
        LtpError: see above.
    """
    whole = find_column(names, columns)
    if whole is not None:
        return (whole,)
    found = tuple(find_column(name, columns) for name in names.split(","))
    if None in found:
        raise LtpError(f"{what} {names!r}; its columns are {list(columns)}")
    return tuple(name for name in found if name is not None)


def label_columns(source: str, columns: Sequence[str], named: str | None) -> tuple[str, ...]:
    """The column with the labels, or several with one label of 0 or 1 each; () where none is known
    by name.

    Raises:
        LtpError: the column that is named is not there, or two unnamed ones may be meant.
    """
    if named:
        return named_columns(named, columns, f"{source} has no label column")
    found = possible_labels(columns)
    if len(found) > 1:
        raise LtpError(
            f"{source}: which column holds the label? found {found}; pass --label-column "
            + " or --label-column ".join(found)
        )
    return tuple(found)


def unread_labels(columns: Sequence[str], named: str | None) -> tuple[str, ...]:
    """The columns that may hold labels, where nothing reads them and none need be there."""
    found = [column for name in (named or "").split(",") for column in columns if column == name]
    for names in LABELS:
        usual = set(map(_plain, names))
        found += [column for column in columns if _plain(column) in usual]
        if found:
            break
    return tuple(found)


def possible_labels(columns: Sequence[str]) -> list[str]:
    """The columns of which one holds the labels, by their names; [] where none is known."""
    for names in LABELS:
        found = [column for name in names if (column := find_column(name, columns)) is not None]
        if found and names is not LABELS[0]:
            found += [column for column in columns if "label" in column.lower()]
        if found:
            return found
    return []


def text_columns(
    source: str, rows: Sequence[Row], columns: Sequence[str], named: str | None, labels: set[str]
) -> tuple[str, ...]:
    """The column with the texts, or the two with pairs of texts.

    Args:
        labels: the columns that hold labels.

    Raises:
        LtpError: none is known by name, or another one may hold text too, or those that are named
            are not there.
    """
    if named:
        found = named_columns(named, columns, f"{source} has no text columns")
        if len(found) > 2:
            raise LtpError(f"a model reads one text or two, not {len(found)}: {named!r}")
        return found
    possible = [column for column in columns if not _is_label(column, labels)]
    readings = known_texts(rows, possible)
    if not readings:
        raise LtpError(
            f"{source}: which columns hold text? found {list(columns)}; use --text-columns NAME, "
            "or NAME,NAME for pairs (the first line of a .tsv or .csv file names its columns)"
        )
    used = {column for reading in readings for column in reading}
    others = [c for c in possible if c not in used and _may_be_text(c, rows)]
    if len(readings) > 1 or others:
        raise LtpError(
            f"{source}: which columns hold text? found {list(columns)}; use --text-columns "
            + " or --text-columns ".join(_choices(columns, readings, others))
        )
    return readings[0]


def known_texts(rows: Sequence[Row], columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The pairs and single columns of known names; those without any string count only where
    there is nothing else."""
    known = []
    for names in (*PAIRS, *((name,) for name in SINGLES)):
        found = tuple(find_column(name, columns) for name in names)
        if None not in found:
            known.append(tuple(name for name in found if name is not None))
    held = {c for c in columns if any(isinstance(row.get(c), (str, list)) for row in rows)}
    known = [names for names in known if held.issuperset(names)] or known
    paired = {name for names in known if len(names) == 2 for name in names}
    return [names for names in known if len(names) == 2 or names[0] not in paired]


def _choices(
    columns: Sequence[str], readings: list[tuple[str, ...]], others: list[str]
) -> list[str]:
    """What `--text-columns` may be told: every reading, and pairs of single columns."""
    single = {column for reading in readings if len(reading) == 1 for column in reading}
    loose = [column for column in columns if column in single or column in others]
    found = dict.fromkeys(",".join(reading) for reading in readings)
    for i, first in enumerate(loose):
        found.update((f"{first},{second}", None) for second in loose[i + 1 :])
    return list(found)[:8]


def _is_label(column: str, labels: set[str]) -> bool:
    return column in labels or "label" in column.lower()


def _may_be_text(column: str, rows: Sequence[Row]) -> bool:
    name = _plain(column)
    if name.endswith("_parse"):
        return False
    values: Iterable[Any] = (row.get(column) for row in rows)
    if name in {_plain(known) for known in TEXTS}:
        return any(isinstance(v, str) and v.strip() and as_number(v) is None for v in values)
    return any(_is_prose(value) for value in values)


def _is_prose(value: Any) -> bool:
    """Whether a value has two words, or letters of a script without capitals; also a list of two
    strings where one of them does."""
    if isinstance(value, list) and len(value) == 2:
        return any(isinstance(part, str) and _is_prose(part) for part in value)
    if not isinstance(value, str):
        return False
    words = [word for word in value.split() if any(map(str.isalpha, word))]
    return len(words) > 1 or any(unicodedata.category(c) == "Lo" for c in value)


def _plain(name: str) -> str:
    return name.strip().lower()
