"""`ltp-deploy explain`"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shutil import get_terminal_size

import click

from ltp_deploy.cli.command import Command
from ltp_deploy.cli.options import COUNT, FILE, PATH, pruning_option


@click.command(cls=Command)
@click.argument("bundle", type=PATH)
@click.argument("text")
@click.argument("passages", metavar="[PASSAGES]", nargs=-1)
@click.option("--pair", metavar="TEXT", help="The second text of a pair.")
@pruning_option()
@click.option("--threads", type=COUNT, metavar="N", help="CPU threads. Default: all.")
@click.option("--html", type=FILE, metavar="FILE", help="Write the picture as a page of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, not the picture.")
def explain(
    bundle: Path,
    text: str,
    passages: tuple[str, ...],
    pair: str | None,
    pruning: float,
    threads: int | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Show which layer of BUNDLE prunes which tokens of TEXT.

    With passages TEXT is their query, and they come in the order of their rank. Prints the answer
    and the time, beside those of the same engine without pruning, and the tokens that are alive
    after each layer. NO_COLOR=1 leaves out colours, as do pipes and files.
    """
    from ltp_deploy import load
    from ltp_deploy.bundle.directory import new_file
    from ltp_deploy.codec import to_json
    from ltp_deploy.explain.explainer import explain as explained
    from ltp_deploy.explain.html import page_of
    from ltp_deploy.report.explanation import describe

    if pair is not None and passages:
        raise click.UsageError("give --pair or passages, not both.")
    asked = text if pair is None else (text, pair)
    with load(bundle, threads, pruning=pruning) as engine:
        found = explained(engine, asked, passages or None)
    if html is not None:
        with new_file(html) as work:
            work.write_text(page_of(found), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2))
    elif html is not None:
        click.echo(f"wrote {html}")
    else:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.echo(describe(found, get_terminal_size().columns, colour), color=colour)
