"""`ltp-deploy run`"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TextIO

import click

from ltp_deploy.cli.command import Command
from ltp_deploy.cli.options import COUNT, PATH


@click.command(cls=Command)
@click.argument("bundle", type=PATH)
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option(
    "--batch",
    type=COUNT,
    metavar="N",
    default=32,
    show_default=True,
    help="Sequences of a request.",
)
@click.option("--threads", type=COUNT, metavar="N", help="CPU threads. Default: all.")
def run(bundle: Path, file: TextIO, batch: int, threads: int | None) -> None:
    """Classify the lines of FILE (standard input by default) with BUNDLE.

    A line is a text, or two texts with a tab between them. Prints one JSON object per line: the
    label where the model knows names, the logits, and the survivors where the bundle reports them.
    """
    from ltp_deploy import load

    engine = load(bundle, threads)
    lines = (line.rstrip("\n") for line in file)
    while chunk := list(itertools.islice(lines, batch)):
        result = engine([_text(line) for line in chunk])
        for i in range(len(chunk)):
            answer: dict[str, object] = {"logits": result.logits[i].tolist()}
            if result.labels:
                answer = {"label": result.labels[i], **answer}
            if result.survivors:
                answer["survivors"] = [layer.tolist() for layer in result.survivors[i]]
            click.echo(json.dumps(answer))


def _text(line: str) -> str | tuple[str, str]:
    first, tab, second = line.partition("\t")
    return (first, second) if tab else first
