"""`ltp-deploy calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import WritingCommand
from ltp_deploy.cli.options import (
    COUNT,
    DATA_OPTIONS,
    FILE,
    PATH,
    Whole,
    compose,
    data_options,
    data_section,
    gathered,
    output_section,
    policy_options,
    source_option,
)

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions

sample_options = compose(
    data_section(
        "--samples",
        type=COUNT,
        metavar="N",
        default=300,
        show_default=True,
        help="Texts drawn at random from the data; all of them where there are fewer.",
    ),
    data_section(
        "--seed",
        type=Whole(min=0),
        metavar="N",
        default=0,
        show_default=True,
        help="Seed of the draw.",
    ),
)


@click.command(cls=WritingCommand)
@click.argument("checkpoint", type=PATH)
@policy_options
@source_option
@data_options
@sample_options
@output_section(
    "-o",
    "--output",
    type=FILE,
    metavar="FILE",
    required=True,
    help="The calibration to write, a .json file.",
)
@output_section("--force", is_flag=True, help="Replace an existing file.")
@gathered(reading=DATA_OPTIONS)
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
    """Measure on texts what `build --calibration` wants to know of CHECKPOINT.

    Ranges of activations for int8, how many tokens survive each layer, and how long texts are.
    """
    from ltp_deploy.bundle.directory import check_new_file
    from ltp_deploy.calibration.calibrate import calibrate as run_calibrate
    from ltp_deploy.report import calibration as report

    check_new_file(output, force)
    output.parent.mkdir(parents=True, exist_ok=True)
    found = run_calibrate(checkpoint, data, samples, seed, reading, score_length, first_token)
    found.write(output)
    click.echo(report.describe(found, output))
