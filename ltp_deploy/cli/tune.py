"""`ltp-deploy tune`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.options import json_option, judged_data_options, policy_options, source_option

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="CHECKPOINT|BUNDLE")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    help="What the bundle was built from, whose thresholds are tuned under its conventions.",
)
@source_option
@click.option(
    "--max-drop-from-dense",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Points of the score that may be lost against the same weights without pruning.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--force", is_flag=True, help="Replace an existing checkpoint.")
@policy_options
@judged_data_options
@json_option
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
    """Rescale the thresholds of a checkpoint to the most pruning that a drop in accuracy allows.

    No training: one factor for all layers, then layer by layer. Writes a checkpoint with the new
    thresholds, the search in tuned.json, and the curve in tuned.svg.
    """
    import json

    from ltp_deploy.bundle.manifest import MANIFEST
    from ltp_deploy.learn.tuned_checkpoint import conventions_of, tune_checkpoint
    from ltp_deploy.report import tuned as report

    if (model / MANIFEST).exists() and against is None:
        raise click.UsageError(f"{model} is a bundle: --against CHECKPOINT it was built from?")
    if against is not None:
        if score_length or first_token:
            raise click.UsageError("the bundle says --score-length and --first-token")
        score_length, first_token = conventions_of(model, against)
    result = tune_checkpoint(
        against or model,
        data,
        output,
        max_drop_from_dense,
        reading,
        score_length,
        first_token,
        force,
    )
    click.echo(
        json.dumps(result.to_dict(), indent=2) if as_json else report.describe(result, output)
    )
