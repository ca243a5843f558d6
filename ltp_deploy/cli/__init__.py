"""The `ltp-deploy` command. Commands are thin, and import what is heavy only when they run."""

from __future__ import annotations

import click

from ltp_deploy import __version__
from ltp_deploy.cli.bench import bench
from ltp_deploy.cli.build import build
from ltp_deploy.cli.calibrate import calibrate
from ltp_deploy.cli.command import Group
from ltp_deploy.cli.explain import explain
from ltp_deploy.cli.export import export
from ltp_deploy.cli.inspect import inspect
from ltp_deploy.cli.learn import learn
from ltp_deploy.cli.report import report
from ltp_deploy.cli.run import run
from ltp_deploy.cli.score import score
from ltp_deploy.cli.serve import serve
from ltp_deploy.cli.tune import tune
from ltp_deploy.cli.verify import verify

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Group, context_settings=SETTINGS)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show where errors come from.")
def main(debug: bool) -> None:
    """Make transformers trained with Learned Token Pruning really faster."""


COMMANDS = (
    learn,
    tune,
    calibrate,
    build,
    verify,
    bench,
    report,
    inspect,
    run,
    explain,
    export,
    serve,
    score,
)
for command in COMMANDS:
    main.add_command(command)
