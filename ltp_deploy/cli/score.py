"""`ltp-deploy score`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import WritingCommand, section
from ltp_deploy.cli.options import (
    COUNT,
    PATH,
    compose,
    data_section,
    gathered,
    json_option,
    long_text_options,
    output_section,
    pruning_option,
    show,
)

if TYPE_CHECKING:
    from ltp_deploy.score.score import Workers
    from ltp_deploy.score.settings import Answering, Reading

FORMATS = ("parquet", "csv", "jsonl")  # as `ltp_deploy.score.settings` has them

engine_section = section("Engine")
worker_section = section("Workers")


class JobCommand(WritingCommand):
    """A command whose work is not lost where it is stopped."""

    advice = "what is complete stays, and the same command goes on"


reading_options = compose(
    data_section(
        "--text-columns",
        metavar="A[,B]",
        help="Columns with the text, or the two texts of a pair. Default: found by name.",
    ),
    data_section(
        "--keep",
        metavar="all|none|A,B",
        default="all",
        show_default=True,
        help="Columns that stand beside the answers.",
    ),
    data_section(
        "--shard-rows",
        type=COUNT,
        metavar="N",
        default=1024,
        show_default=True,
        help="Rows that a worker computes at a time, and that are lost where it dies. Larger ones "
        "make fewer files, for data sets of many millions of rows.",
    ),
)
engine_options = compose(
    long_text_options(": see `run`. refuse: their rows fail.", engine_section),
    pruning_option(engine_section),
    engine_section(
        "--prompt-name",
        metavar="NAME",
        help="Which of an embedding model's prompts goes before each text. Default: its default, "
        "if it has one.",
    ),
)
worker_options = compose(
    worker_section(
        "--workers",
        type=COUNT,
        metavar="N",
        help="Processes. Default: one for each thread.",
    ),
    worker_section(
        "--threads",
        type=COUNT,
        metavar="N",
        help="CPU threads of all processes together. Default: all.",
    ),
    worker_section(
        "--throughput",
        is_flag=True,
        help="Compute several batches side by side in each process that has several threads.",
    ),
    worker_section(
        "--ray",
        metavar="ADDRESS|local",
        help="Work on a Ray cluster, whose nodes see bundle, inputs and output under the same "
        "paths; local: on one that is started for this job.",
    ),
)


@click.command(cls=JobCommand)
@click.argument("bundle", type=PATH)
@click.argument("inputs", metavar="INPUTS", nargs=-1, required=True)
@reading_options
@engine_options
@worker_options
@output_section(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="A .parquet, .csv or .jsonl file to write; a name without an extension is a folder of "
    "parts.",
)
@output_section(
    "--format",
    type=click.Choice(FORMATS),
    help="Of a folder's parts. Default: parquet.",
)
@output_section(
    "--force",
    is_flag=True,
    help="Replace an existing output, and give up an unfinished job that has other settings.",
)
@json_option
@gathered(
    reading="ltp_deploy.score.settings:Reading",
    answering="ltp_deploy.score.settings:Answering",
    workers="ltp_deploy.score.score:Workers",
)
def score(
    bundle: Path,
    inputs: tuple[str, ...],
    output: Path,
    reading: Reading,
    answering: Answering,
    workers: Workers,
    format: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Answer all rows of data files with BUNDLE.

    INPUTS are .parquet, .csv, .tsv or .jsonl files, folders of them, or patterns; the last three
    kinds may be compressed. Writes the same rows in the same order, with the answers in columns
    beside them: predicted_label, predicted_score and logits, or embedding. Rows that cannot be
    answered have none, and stand in OUTPUT.failed.jsonl with the reason. A job that was interrupted
    goes on with the same command.
    """
    from ltp_deploy.report import scored as report
    from ltp_deploy.score.score import score as run

    result = run(bundle, inputs, output, reading, answering, workers, format, force)
    show(asdict(result), report.describe(result), as_json)
