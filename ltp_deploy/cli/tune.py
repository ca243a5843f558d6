"""`ltp-deploy tune`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import WritingCommand, section
from ltp_deploy.cli.options import (
    DATA_OPTIONS,
    DROP_FROM_DENSE,
    PATH,
    POOLING_HELP,
    POOLINGS,
    Number,
    compose,
    gathered,
    html_option,
    json_option,
    judged_data_options,
    model_section,
    output_section,
    policy_options,
    show,
    source_option,
)

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions

against_option = model_section(
    "--against",
    type=PATH,
    metavar="CHECKPOINT",
    help="What the bundle was built from, whose thresholds are tuned under the bundle's score "
    "length and first token.",
)
search_section = section("Search")


def under_its_earlier_name(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> None:
    """Take --max-drop-from-dense for --max-drop, where that is not given."""
    if value is not None:
        context.default_map = {"max_drop": value}


search_options = compose(
    search_section(
        "--max-drop",
        type=Number(min=0),
        metavar="POINTS",
        default=1.0,
        show_default=True,
        help=DROP_FROM_DENSE,
    ),
    search_section(
        "--max-drop-from-dense",
        type=Number(min=0),
        metavar="POINTS",
        help="An earlier name of --max-drop.",
        hidden=True,
        is_eager=True,
        expose_value=False,
        callback=under_its_earlier_name,
    ),
    search_section(
        "--test",
        metavar="DATA",
        help="What the result is estimated on. Default: one half of --data, on which nothing is "
        "chosen then.",
    ),
    search_section(
        "--unlabelled",
        is_flag=True,
        help="Judge by agreement with the dense model, also where the data has labels.",
    ),
    search_section(
        "--label-thresholds",
        is_flag=True,
        help="First choose the probabilities above which labels hold, of a model that gives any "
        "number of labels: for each label that with the best F1 of the dense model.",
    ),
)
output_options = compose(
    output_section(
        "-o",
        "--output",
        type=PATH,
        metavar="FOLDER",
        required=True,
        help="The checkpoint to write.",
    ),
    output_section("--force", is_flag=True, help="Replace an existing checkpoint."),
    html_option,
    json_option,
)


@click.command(cls=WritingCommand)
@click.argument("model", type=PATH, metavar="CHECKPOINT|BUNDLE")
@against_option
@policy_options
@model_section("--pooling", type=click.Choice(POOLINGS), help=POOLING_HELP)
@source_option
@judged_data_options
@search_options
@output_options
@gathered(reading=DATA_OPTIONS)
def tune(
    model: Path,
    against: Path | None,
    data: str,
    max_drop: float,
    test: str | None,
    unlabelled: bool,
    label_thresholds: bool,
    output: Path,
    force: bool,
    score_length: int | str | None,
    first_token: str | None,
    pooling: str | None,
    reading: DataOptions,
    html: Path | None,
    as_json: bool,
) -> None:
    """Find the most pruning of a checkpoint that a drop of its score allows, without training.

    A dense checkpoint gets thresholds of its own, layer by layer. Those of a checkpoint that has
    some are multiplied by one factor first. The data may be without labels. Writes a checkpoint
    with the new thresholds, the search in tuned.json, and the curve in tuned.svg.
    """
    from ltp_deploy.bundle.manifest import MANIFEST
    from ltp_deploy.report import tuned as report
    from ltp_deploy.tune.job import TuneJob, conventions_of, tune_checkpoint

    if (model / MANIFEST).exists() and against is None:
        raise click.UsageError(f"{model} is a bundle: --against CHECKPOINT it was built from?")
    if against is not None:
        if score_length or first_token:
            raise click.UsageError(
                "--score-length and --first-token are the bundle's own: leave them out"
            )
        conventions = conventions_of(model, against)
    else:
        conventions = {"score_length": score_length, "first_token": first_token}
    source = against or model
    result = tune_checkpoint(
        TuneJob(
            source,
            data,
            output,
            max_drop,
            test,
            unlabelled,
            reading,
            force=force,
            pooling=pooling,
            choose_label_thresholds=label_thresholds,
            **conventions,
        )
    )
    show(result.to_dict(), report.describe(result, output), as_json)
    if html is not None:
        from ltp_deploy.report.page.gather import of_tuned
        from ltp_deploy.report.page.page import write_page

        write_page(html, of_tuned(output, result))
