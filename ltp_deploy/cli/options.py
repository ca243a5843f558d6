"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
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

data_options = compose(
    click.option(
        "--text-columns",
        metavar="A[,B]",
        help="Columns with the text, or with the two texts of a pair. Default: found by name.",
    ),
    click.option("--label-column", metavar="NAME", help="Column with the label. Default: label."),
    click.option("--split", default="validation", show_default=True, help="Of a `datasets` name."),
    click.option("--limit", type=click.IntRange(min=1), help="Use only the first rows."),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
