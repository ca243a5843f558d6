"""`ltp-deploy run`"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import click

from ltp_deploy.cli.command import Command
from ltp_deploy.cli.options import COUNT, PATH, long_text_options, pruning_option


@click.command(cls=Command)
@click.argument("bundle", type=PATH)
@click.argument("file", type=click.File(encoding="utf-8-sig"), default="-")
@click.option(
    "--batch",
    type=COUNT,
    metavar="N",
    default=32,
    show_default=True,
    help="Sequences of a request.",
)
@click.option("--threads", type=COUNT, metavar="N", help="CPU threads. Default: all.")
@pruning_option()
@long_text_options(
    ". truncate: they are cut, and the answer says so. window: they are read in windows that "
    "overlap, and the answer is the mean of the windows' logits. refuse: they are an error."
)
def run(
    bundle: Path,
    file: TextIO,
    batch: int,
    threads: int | None,
    pruning: float,
    long_texts: str,
    stride: int | None,
) -> None:
    """Classify the lines of FILE (standard input by default) with BUNDLE.

    A line is a text, or two texts with a tab between them. Prints one JSON object per line: the
    label where the model knows names, or the list of labels where it gives any number of them, the
    logits, or an embedding model's vector, `"truncated": true` where a text was cut, the number of
    windows where there are several, and the survivors where the bundle reports them.
    """
    from ltp_deploy import load
    from ltp_deploy.errors import InputError, LtpError

    engine = load(bundle, threads, long_texts=long_texts, stride=stride, pruning=pruning)
    texts, first = texts_of_lines(file), 1
    numbers = "logits" if engine.config.embedding is None else "embedding"
    batch = min(batch, engine.limits.sequences)
    while chunk := list(itertools.islice(texts, batch)):
        try:
            result = engine(chunk)
        except InputError as error:
            raise LtpError(f"lines {first} to {first + len(chunk) - 1}: {error}") from error
        first += len(chunk)
        for i in range(len(chunk)):
            answer: dict[str, object] = {numbers: result.logits[i].tolist()}
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


def texts_of_lines(lines: Iterable[str]) -> Iterator[str | tuple[str, str]]:
    """The texts and pairs of texts that lines hold.

    Raises:
        LtpError: a line with more than one tab, or one that is not UTF-8.
    """
    from ltp_deploy.errors import LtpError

    number = 0
    try:
        for number, line in enumerate(lines, 1):
            first, *more = line.rstrip("\n").split("\t")
            if len(more) > 1:
                raise LtpError(
                    f"line {number} has {len(more)} tabs; a line is a text, or two texts with one "
                    "tab between them"
                )
            yield (first, more[0]) if more else first
    except UnicodeDecodeError as error:
        raise LtpError(
            f"the text after line {number} is not UTF-8: {error}; convert it, for example by "
            "`iconv -f CP1252 -t UTF-8 OLD > NEW`"
        ) from None
