"""`ltp-deploy export`"""

from __future__ import annotations

from pathlib import Path

import click

from ltp_deploy.cli.command import WritingCommand
from ltp_deploy.cli.options import PATH

# As `ltp_deploy.export.table` has them.
CONSUMERS = {
    "optimum": "a folder from which Hugging Face's libraries open models of OpenVINO",
    "ovms": "a model repository of OpenVINO Model Server that reads strings",
    "triton": "a model repository of Triton Inference Server, for its python backend",
}


@click.command(cls=WritingCommand)
@click.argument("bundle", type=PATH)
@click.option(
    "--for",
    "consumer",
    type=click.Choice(list(CONSUMERS)),
    required=True,
    help="; ".join(f"{name}: {summary}" for name, summary in CONSUMERS.items()) + ".",
)
@click.option(
    "-o", "--output", type=PATH, metavar="DIR", required=True, help="The directory to write."
)
@click.option(
    "--name", metavar="NAME", help="What a server calls the model. Default: BUNDLE's directory."
)
@click.option("--force", is_flag=True, help="Replace an earlier export.")
def export(bundle: Path, consumer: str, output: Path, name: str | None, force: bool) -> None:
    """Write BUNDLE in the form that another runtime or server opens.

    The README.md in the directory says how it is opened there.
    """
    from ltp_deploy.export.table import export as write

    write(bundle, consumer, output, name, force)
    click.echo(f"exported {output} for {consumer}; its README.md says how to use it")
