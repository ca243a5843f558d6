"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def compose(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help text."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


policy_options = compose(
    click.option(
        "--score-length",
        metavar="N|sequence",
        help="Score denominator D. Default: what the checkpoint says; 128 for released LTP "
        "checkpoints, whose recipe pads to 128.",
    ),
    click.option(
        "--first-token",
        type=click.Choice(["keep", "reference"]),
        help="Whether the first token is never pruned (keep) or may be, as in the released code "
        "(reference). Default: what the checkpoint says; reference for released ones.",
    ),
)


def _reading(*options: Decorator) -> Decorator:
    """Options on how to read data, which reach the command as one `reading: DataOptions`."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def collected(**given: Any) -> Any:
            from ltp_deploy.data.examples import DataOptions

            names = {field.name for field in fields(DataOptions)} & set(given)
            read = {name: given.pop(name) for name in names}
            return command(reading=DataOptions(**read), **given)

        return compose(*options)(collected)

    return decorate


_columns = (
    click.option(
        "--text-columns",
        metavar="A[,B]",
        help="Columns with the text, or with the two texts of a pair. Default: found by name.",
    ),
    click.option("--label-column", metavar="NAME", help="Column with the label. Default: label."),
    click.option("--split", default="validation", show_default=True, help="Of a `datasets` name."),
    click.option("--limit", type=click.IntRange(min=1), help="Use only the first rows."),
)
data_options = _reading(*_columns)
judged_data_options = _reading(
    *_columns,
    click.option(
        "--metric",
        type=click.Choice(["accuracy", "f1", "matthews", "pearson", "spearman"]),
        help="Default: that of a GLUE name; else accuracy, or pearson for a regression.",
    ),
)

source_option = click.option(
    "--data", required=True, help="A .tsv, .csv or .jsonl file, or a `datasets` name."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
