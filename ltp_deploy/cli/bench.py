"""`ltp-deploy bench`"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltp_deploy.cli.options import data_options, json_option

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions


def _comma_list(convert: Callable[[str], Any]) -> Callable[..., tuple[Any, ...]]:
    def parse(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[Any, ...]:
        try:
            return tuple(convert(part) for part in value.split(",")) if value else ()
        except ValueError as error:
            raise click.BadParameter(f"{value!r}: {error}", param=parameter) from None

    return parse


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be positive")
    return value


def _distribution(
    _: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, int] | None:
    if value is None:
        return None
    mean, _colon, longest = value.partition(":")
    try:
        return float(mean), _positive(longest or "128")
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}", param=parameter) from None


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    help="What the bundle was built from: needed for every baseline.",
)
@click.option("--data", help="Real text: a .tsv, .csv or .jsonl file, or a `datasets` name.")
@data_options
@click.option(
    "--lengths",
    metavar="N,N",
    callback=_comma_list(_positive),
    help="Random tokens in sequences of these lengths. Default: 16,64,128.",
)
@click.option(
    "--length-distribution",
    metavar="MEAN[:MAX]",
    callback=_distribution,
    help="Random tokens in sequences of lognormal length. Default MAX: 128.",
)
@click.option(
    "--batch",
    default="1,32",
    show_default=True,
    metavar="N,N",
    callback=_comma_list(_positive),
    help="Sequences per request.",
)
@click.option("--seconds", type=click.FloatRange(min=0), default=10.0, show_default=True)
@click.option("--iterations", type=click.IntRange(min=1), help="Instead of --seconds.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: all.")
@click.option(
    "--peers", metavar="A,B", callback=_comma_list(str), help="Also time onnxruntime, pytorch."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write JSON here.")
@json_option
def bench(
    bundle: Path,
    against: Path | None,
    data: str | None,
    reading: DataOptions,
    lengths: tuple[int, ...],
    length_distribution: tuple[float, int] | None,
    batch: tuple[int, ...],
    seconds: float,
    iterations: int | None,
    threads: int | None,
    peers: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Time BUNDLE beside the dense model, itself without pruning, and other runtimes.

    All sides take turns in one run, at the bundle's precision. Random tokens are pruned unlike
    real text: use --data for figures that mean something. --seconds is per table.
    """
    if (data is not None) + bool(lengths) + (length_distribution is not None) > 1:
        raise click.UsageError("--data, --lengths and --length-distribution exclude each other")
    if peers and against is None:
        raise click.UsageError("--peers needs --against CHECKPOINT, to make their model from")
    import json

    from ltp_deploy.benchmark import workload
    from ltp_deploy.benchmark.run import Options, run
    from ltp_deploy.data.examples import read_examples
    from ltp_deploy.report.benchmark import describe
    from ltp_deploy.runtime.engine import load

    engine = load(bundle, threads=threads)
    config = engine.config
    if data is not None:
        examples = read_examples(data, reading)
        tokens = engine.tokenize(examples.texts)
        cases = [workload.from_data(tokens, size) for size in batch]
    elif length_distribution is not None:
        cases = [workload.of_distribution(config, *length_distribution, size) for size in batch]
    else:
        chosen = lengths or (16, 64, 128)
        cases = [workload.of_length(config, n, size) for size in batch for n in chosen]
    result = run(engine, cases, against, Options(seconds, iterations, threads, peers))
    text = json.dumps(result.to_dict(), indent=2)
    if output is not None:
        output.write_text(text + "\n", encoding="utf-8")
    click.echo(text if as_json else describe(result))
