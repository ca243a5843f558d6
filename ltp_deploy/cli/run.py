"""`ltp-deploy run`"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TextIO

import click

from ltp_deploy.cli.command import Command
from ltp_deploy.cli.options import COUNT, PATH, Whole

LONG_TEXTS = ("truncate", "window", "refuse")  # as `ltp_deploy.data.long_texts` has them


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
@click.option(
    "--long-texts",
    type=click.Choice(LONG_TEXTS),
    default="truncate",
    show_default=True,
    help="What becomes of texts with more tokens than the engine takes. truncate: they are cut, "
    "and the answer says so. window: they are read in windows that overlap, and the answer is the "
    "mean of the windows' logits. refuse: they are an error.",
)
@click.option(
    "--stride",
    type=Whole(min=0),
    metavar="N",
    help="Tokens that two windows share. Default: a quarter of a window.",
)
def run(
    bundle: Path,
    file: TextIO,
    batch: int,
    threads: int | None,
    long_texts: str,
    stride: int | None,
) -> None:
    """Classify the lines of FILE (standard input by default) with BUNDLE.

    A line is a text, or two texts with a tab between them. Prints one JSON object per line: the
    label where the model knows names, or the list of labels where it gives any number of them, the
    logits, `"truncated": true` where a text was cut, the number of windows where there are several,
    and the survivors where the bundle reports them.
    """
    from ltp_deploy import load

    engine = load(bundle, threads, long_texts=long_texts, stride=stride)
    lines = (line.rstrip("\n") for line in file)
    while chunk := list(itertools.islice(lines, batch)):
        result = engine([_text(line) for line in chunk])
        for i in range(len(chunk)):
            answer: dict[str, object] = {"logits": result.logits[i].tolist()}
            if result.labels:
                label = result.labels[i]
                answer = {"label" if isinstance(label, str) else "labels": label, **answer}
            if result.truncated is not None and result.truncated[i]:
                answer["truncated"] = True
            if result.windows is not None and result.windows[i] > 1:
                answer["windows"] = int(result.windows[i])
            if result.survivors:
                answer["survivors"] = [layer.tolist() for layer in result.survivors[i]]
            click.echo(json.dumps(answer))


def _text(line: str) -> str | tuple[str, str]:
    first, tab, second = line.partition("\t")
    return (first, second) if tab else first
