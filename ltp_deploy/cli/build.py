"""`ltp-deploy build`"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from ltp_deploy.cli.options import data_options, policy_options


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option("--target", default="cpu", show_default=True, help="cpu, haswell, torchscript, null.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle to write.")
@click.option("--precision", help="f32 or bf16, by target. Default: f32.")
@click.option(
    "--outputs",
    type=click.Choice(["logits", "survivors"]),
    default="logits",
    show_default=True,
    help="survivors: the engine also reports which tokens survived each layer.",
)
@policy_options
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
@click.option("--profile-data", metavar="DATA", help="With --dry-run: measure survivors on it.")
@data_options
@click.option(
    "--dump", type=click.Path(path_type=Path), help="Write the graph before and after each pass."
)
def build(
    checkpoint: Path,
    target: str,
    output: Path | None,
    precision: str | None,
    outputs: str,
    score_length: str | None,
    first_token: str | None,
    force: bool,
    dry_run: bool,
    profile_data: str | None,
    text_columns: str | None,
    label_column: str | None,
    split: str,
    limit: int | None,
    dump: Path | None,
) -> None:
    """Compile CHECKPOINT, a directory, into an engine bundle."""
    from ltp_deploy.build import build as run_build
    from ltp_deploy.report import plan as report

    survivors = outputs == "survivors"
    if dry_run:
        from ltp_deploy.validation.data import DataOptions
        from ltp_deploy.validation.dry_run import dry_run as run_dry

        data = DataOptions(text_columns, label_column, split, limit)
        plan, config = run_dry(
            checkpoint, target, precision, survivors, score_length, first_token, profile_data, data
        )
        click.echo(report.describe(plan, config, target))
        return
    if profile_data:
        raise click.UsageError("--profile-data needs --dry-run")
    if output is None:
        raise click.UsageError("-o/--output is missing: where should the bundle go?")
    # A stop from outside must clean up as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    manifest = run_build(
        checkpoint, output, target, precision, survivors, score_length, first_token, force, dump
    )
    click.echo(report.built(manifest, output))
