"""`ltp-deploy tune`"""

from __future__ import annotations

from pathlib import Path

import click

from ltp_deploy.cli.options import data_options, json_option, policy_options


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="A .tsv, .csv or .jsonl file, or a `datasets` name.")
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Points that the score may lose against the same weights without pruning.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--force", is_flag=True, help="Replace an existing checkpoint.")
@policy_options
@data_options
@json_option
def tune(
    checkpoint: Path,
    data: str,
    max_drop: float,
    output: Path,
    force: bool,
    score_length: str | None,
    first_token: str | None,
    text_columns: str | None,
    label_column: str | None,
    split: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Rescale the thresholds of CHECKPOINT to the most pruning that a drop in accuracy allows.

    No training: one factor for all layers, then layer by layer. Writes a checkpoint with the new
    thresholds, the search in tuned.json, and the curve in tuned.svg.
    """
    import json

    from ltp_deploy.learn.tuned_checkpoint import tune_checkpoint
    from ltp_deploy.report import tuned as report
    from ltp_deploy.validation.data import DataOptions

    options = DataOptions(text_columns, label_column, split, limit)
    result = tune_checkpoint(
        checkpoint, data, output, max_drop, options, score_length, first_token, force
    )
    click.echo(
        json.dumps(result.to_dict(), indent=2) if as_json else report.describe(result, output)
    )
