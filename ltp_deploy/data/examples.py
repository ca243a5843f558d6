"""Task data: texts, or pairs of them, with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ltp_deploy.data.class_names import class_names
from ltp_deploy.data.columns import label_columns, text_columns, unread_labels
from ltp_deploy.data.files import EXTENSIONS, Row, extension, read_rows
from ltp_deploy.data.groups import read_groups
from ltp_deploy.data.labels import Label, read_flags, read_label, with_name
from ltp_deploy.data.metrics import GLUE
from ltp_deploy.data.texts import Text, check_unicode
from ltp_deploy.errors import LtpError, needs


@dataclass(frozen=True)
class DataOptions:
    """How to read a data set and score answers on it; None means found by name, or all rows.

    Attributes:
        text_columns: a column's name, or two with a comma between them for pairs; of groups the
            query and all columns with passages.
        label_column: a column's name; or several with commas between them, each of which says by 0
            or 1 whether the label of its name holds.
        split: of a data set by name.
        limit: how many rows to read, from the first; a row may hold several passages.
        metric: a name in the metrics of the model's head.
    """

    text_columns: str | None = None
    label_column: str | None = None
    split: str = "validation"
    limit: int | None = None
    metric: str | None = None


@dataclass(frozen=True)
class Examples:
    """N texts and their labels.

    Attributes:
        texts: strings, or pairs of them.
        labels: one for each text, which `Head.targets` turns into numbers; a `ClassName` where the
            data says how the class is called that it gives by number. None where it has none.
        metric: what scores answers, None for the usual one of the kind of task.
        columns: the names of all columns of the data, () where it came without columns.
        grouped: whether rows were queries with several passages each, see `groups`.
    """

    texts: list[Text]
    labels: list[Label] | None
    metric: str | None = None
    columns: tuple[str, ...] = ()
    grouped: bool = False

    def __len__(self) -> int:
        return len(self.texts)


def read_examples(source: str, options: DataOptions | None = None, labels: bool = True) -> Examples:
    """Read a data file (see `files`), or a data set by name (`sst2`, `glue/mrpc`).

    Which columns hold texts and labels is said by the options, or found by name (see `columns`).
    Rows with a query and several passages give a pair for each passage (see `groups`).

    Args:
        labels: whether to read them; without, it does not matter if some are missing, or which
            column they are in.

    Raises:
        LtpError: unreadable, empty, columns not found or not clear, a row with missing values.
    """
    options = options or DataOptions()
    found = _rows(source, options)
    rows = list(islice(found, options.limit))
    if not rows:
        raise LtpError(f"{source} holds no rows")
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    metric = options.metric or GLUE.get(source.removeprefix("glue/"))
    named = options.text_columns, options.label_column
    passages = read_groups(source, rows, columns, *named, labels)
    if passages is not None:
        given = [passage.label for passage in passages if passage.label is not None]
        texts: list[Text] = [passage.text for passage in passages]
        return Examples(texts, given or None, metric, columns, grouped=True)
    if labels:
        label = label_columns(source, columns, options.label_column)
    else:
        label = unread_labels(columns, options.label_column)
    text = text_columns(source, rows, columns, options.text_columns, set(label))
    if not labels:
        label = ()
    names = class_names(source, rows, label, getattr(found, "features", None))
    return Examples(
        [_text(source, i, row, text) for i, row in enumerate(rows, 1)],
        [_label(source, i, row, label, names) for i, row in enumerate(rows, 1)] if label else None,
        metric,
        columns,
    )


def required_labels(examples: Examples, use: str) -> list[Label]:
    """The labels of examples, which must have some.

    Args:
        use: what needs them, which begins the message.

    Raises:
        LtpError: there are none.
    """
    if examples.labels is None:
        columns = f": name one of {list(examples.columns)} with --label-column"
        raise LtpError(
            f"{use} needs labels, and the data has no label column of a usual name"
            + (columns if examples.columns else "")
        )
    return examples.labels


def _rows(source: str, options: DataOptions) -> Iterable[Row]:
    path = Path(source)
    if extension(path):
        return read_rows(path)
    if path.exists():
        raise LtpError(
            f"{path} is no data file; expected the extension {', '.join(EXTENSIONS)}, or one of "
            f"them with .gz. {_advice(path)}"
        )
    return _dataset(source, options.split)


def _advice(path: Path) -> str:
    """How a file of another kind becomes one that is read."""
    if path.is_file():
        with path.open("rb") as file:
            if b"\t" in file.readline(1 << 16):
                return "Its first line has tabs: rename it to .tsv if that line names the columns"
    return "Plain text becomes a .tsv file by a first line with its column's name, text"


def _dataset(name: str, split: str) -> Iterable[Row]:
    with needs(f"{name!r} is no file; to read it as a data set by name", "datasets"):
        import datasets
    try:
        repository, _, subset = name.partition("/") if name.startswith("glue/") else (name, "", "")
        return datasets.load_dataset(repository, subset or None, split=split)
    except Exception as error:  # the library raises many kinds
        raise LtpError(f"datasets cannot load {name!r}, split {split!r}: {error}") from error


def _text(source: str, number: int, row: Row, columns: tuple[str, ...]) -> Text:
    """A row's text; its pair of texts, from two columns or from a list of two strings in one."""
    values: list[Any] = [row.get(name) for name in columns]
    if len(values) == 1 and isinstance(values[0], (list, tuple)) and len(values[0]) == 2:
        values = list(values[0])
    if not all(isinstance(value, str) for value in values):
        names = ", ".join(columns)
        raise LtpError(f"{source}, row {number}: {names} is missing or no text: {row!r:.200}")
    for value in values:
        check_unicode(f"{source}, row {number}: the text {value!r:.200}", value)
    return values[0] if len(values) == 1 else (values[0], values[1])


def _label(
    source: str, number: int, row: Row, columns: tuple[str, ...], names: Mapping[int, str]
) -> Label:
    place = f"{source}, row {number}"
    if len(columns) > 1:
        return read_flags(place, row, columns)
    label = read_label(place, row.get(columns[0]))
    if isinstance(label, list):
        return [with_name(part, names) for part in label]
    return with_name(label, names)
