"""`ltp-deploy calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.options import data_options, policy_options, source_option

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@source_option
@click.option("--samples", type=click.IntRange(min=1), default=300, show_default=True)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of drawing the samples.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The calibration to write, a .json file.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@policy_options
@data_options
def calibrate(
    checkpoint: Path,
    data: str,
    samples: int,
    seed: int,
    output: Path,
    force: bool,
    score_length: str | None,
    first_token: str | None,
    reading: DataOptions,
) -> None:
    """Measure on DATA what `build --calibration` wants to know of CHECKPOINT.

    Ranges of activations for int8, how many tokens survive each layer, and how long texts are.
    """
    from ltp_deploy.calibration.calibrate import calibrate as run_calibrate
    from ltp_deploy.errors import LtpError
    from ltp_deploy.report import calibration as report

    if output.exists() and not force:
        raise LtpError(f"{output} exists; choose another output path or pass --force")
    output.parent.mkdir(parents=True, exist_ok=True)
    found = run_calibrate(checkpoint, data, samples, seed, reading, score_length, first_token)
    found.write(output)
    click.echo(report.describe(found, output))
