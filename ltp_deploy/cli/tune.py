"""`ltp-deploy tune`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import Command, section
from ltp_deploy.cli.options import (
    DATA_OPTIONS,
    PATH,
    Number,
    compose,
    gathered,
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
drop_option = section("Search")(
    "--max-drop-from-dense",
    type=Number(min=0),
    metavar="POINTS",
    default=1.0,
    show_default=True,
    help="Points of the score that may be lost against the dense model, the same weights without "
    "pruning.",
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
    json_option,
)


@click.command(cls=Command)
@click.argument("model", type=PATH, metavar="CHECKPOINT|BUNDLE")
@against_option
@policy_options
@source_option
@judged_data_options
@drop_option
@output_options
@gathered(reading=DATA_OPTIONS)
def tune(
    model: Path,
    against: Path | None,
    data: str,
    max_drop_from_dense: float,
    output: Path,
    force: bool,
    score_length: int | str | None,
    first_token: str | None,
    reading: DataOptions,
    as_json: bool,
) -> None:
    """Rescale the thresholds of a checkpoint to the most pruning that a drop of the score allows.

    No training: one factor for all layers, then layer by layer. Writes a checkpoint with the new
    thresholds, the search in tuned.json, and the curve in tuned.svg.
    """
    from ltp_deploy.bundle.manifest import MANIFEST
    from ltp_deploy.learn.tuned_checkpoint import TuneJob, conventions_of, tune_checkpoint
    from ltp_deploy.report import tuned as report

    if (model / MANIFEST).exists() and against is None:
        raise click.UsageError(f"{model} is a bundle: --against CHECKPOINT it was built from?")
    if against is not None:
        if score_length or first_token:
            raise click.UsageError(
                "--score-length and --first-token are the bundle's own: leave them out"
            )
        score_length, first_token = conventions_of(model, against)
    source = against or model
    result = tune_checkpoint(
        TuneJob(
            source,
            data,
            output,
            max_drop_from_dense,
            reading,
            score_length,
            first_token,
            force,
        )
    )
    show(result.to_dict(), report.describe(result, output), as_json)
