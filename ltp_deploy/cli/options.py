"""Options that several commands share, the types of their values, and how results are printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from math import isfinite
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, TypeVar

import click

from ltp_deploy.cli.command import Decorator, Function, section

Value = TypeVar("Value")


class Whole(click.IntRange):
    """A whole number in a range."""

    name = "whole number"


class Number(click.FloatRange):
    """A finite number in a range."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


COUNT = Whole(min=1)
PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)


def comma_list(
    item: click.ParamType[Value],
) -> Callable[[click.Context, click.Parameter, str | None], tuple[Value, ...]]:
    """A callback for values of a type with commas between them; () where the option is absent."""

    def parse(
        context: click.Context, parameter: click.Parameter, value: str | None
    ) -> tuple[Value, ...]:
        parts = [] if value is None else value.split(",")
        return tuple(item.convert(part.strip(), parameter, context) for part in parts)

    return parse


def compose(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help page."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def gathered(**dataclasses: str) -> Decorator:
    """Give a command those of its options that are fields of a dataclass as one value of it.

    Args:
        dataclasses: parameter of the command = "module:Class". The module is imported when the
            command runs, so that its help page imports nothing heavy. A class may have fields
            that are gathered by those before it.
    """

    def decorate(command: Function) -> Function:
        @wraps(command)
        def call(**given: Any) -> Any:
            for name, path in dataclasses.items():
                cls = resolve_name(path)
                known = [field.name for field in fields(cls) if field.name in given]
                given[name] = cls(**{key: given.pop(key) for key in known})
            return command(**given)

        return call

    return decorate


POOLINGS = ("frozen", "survivors")  # `ltp_deploy.model.config.MEANS`
POOLING_HELP = (
    "What the mean over an embedding model's tokens is of. frozen: all, pruned ones with the state "
    "that entered the layer that pruned them. survivors: those that are never pruned. Default: "
    "what the checkpoint says, else frozen."
)
DATA_OPTIONS = "ltp_deploy.data.examples:DataOptions"
# What --max-drop counts from: for commands that keep the pruning, and for those that choose it.
MAX_DROP = (
    "Points of the score that may be lost against the f32 oracle of the same checkpoint under the "
    "same pruning."
)
DROP_FROM_DENSE = "Points of the score that may be lost against the dense model."
METRICS = (
    *("accuracy", "f1", "matthews", "pearson", "spearman", "f1-micro", "f1-macro"),
    *("ndcg@10", "mrr@10", "cosine"),
)

data_section = section("Data")
model_section = section("Model")
output_section = section("Output")

policy_options = compose(
    model_section(
        "--score-length",
        metavar="N|sequence",
        help="Score denominator D in tokens, or each sequence's own length. Default: what the "
        "checkpoint says; 128 for released LTP checkpoints, whose recipe pads to 128.",
    ),
    model_section(
        "--first-token",
        type=click.Choice(["keep", "reference"]),
        help="keep: the first token is never pruned. reference: it may be, as in the released "
        "code. Default: what the checkpoint says; reference for released ones.",
    ),
)

source_option = data_section(
    "--data",
    required=True,
    metavar="DATA",
    help="A .tsv, .csv, .jsonl or .json file, also with .gz, or a `datasets` name.",
)
data_options = compose(
    data_section(
        "--text-columns",
        metavar="A[,B]",
        help="Columns with the text, the two texts of a pair, or a query and its passages. "
        "Default: found by name.",
    ),
    data_section(
        "--label-column",
        metavar="A[,B,C]",
        help="Column with the label; or columns of 0 and 1 with the names of labels of which a "
        "text may have several. Default: found by name.",
    ),
    data_section(
        "--split",
        metavar="NAME",
        default="validation",
        show_default=True,
        help="Split of a `datasets` name.",
    ),
    data_section("--limit", type=COUNT, metavar="N", help="Use only the first N rows."),
)
judged_data_options = compose(
    data_options,
    data_section(
        "--metric",
        type=click.Choice(METRICS),
        metavar="NAME",
        help=f"Score of the answers: {', '.join(METRICS)}. Default: that of a GLUE name; else "
        "accuracy, pearson for a regression, f1-micro for a model that gives any number of labels, "
        "ndcg@10 for a reranker, cosine for embeddings.",
    ),
)
batch_option = data_section(
    "--batch",
    type=COUNT,
    default=32,
    show_default=True,
    metavar="N",
    help="Sequences of a request.",
)


def pruning_option(option: Callable[..., Decorator] = click.option) -> Decorator:
    """How much a loaded bundle prunes; `option` is `click.option`, or that of a section."""
    return option(
        "--pruning",
        type=Number(min=0),
        metavar="FACTOR",
        default=1.0,
        show_default=True,
        help="Multiply the thresholds by this, and the shares that top-k layers prune. 0: nothing "
        "is pruned.",
    )


LONG_TEXTS = ("truncate", "window", "refuse")  # as `ltp_deploy.data.long_texts` has them


def long_text_options(explained: str, option: Callable[..., Decorator] = click.option) -> Decorator:
    """What becomes of long texts, `explained` in a few words; `option` as in `pruning_option`."""
    return compose(
        option(
            "--long-texts",
            type=click.Choice(LONG_TEXTS),
            default="truncate",
            show_default=True,
            help=f"What becomes of texts with more tokens than the engine takes{explained}",
        ),
        option(
            "--stride",
            type=Whole(min=0),
            metavar="N",
            help="Tokens that two windows share. Default: a quarter of a window.",
        ),
    )


html_option = output_section(
    "--html", type=FILE, metavar="FILE", help="Also write the page of `report` with this result."
)
json_option = output_section("--json", "as_json", is_flag=True, help="Print JSON, not tables.")


def show(data: Any, text: str, as_json: bool) -> None:
    """Print a result: as JSON, or in the words of its report."""
    click.echo(json.dumps(data, indent=2) if as_json else text)
