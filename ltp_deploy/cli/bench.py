"""`ltp-deploy bench`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import Command, section
from ltp_deploy.cli.options import (
    COUNT,
    DATA_OPTIONS,
    FILE,
    PATH,
    Number,
    comma_list,
    compose,
    data_options,
    data_section,
    gathered,
    html_option,
    json_option,
    output_section,
    pruning_option,
    show,
)

if TYPE_CHECKING:
    from ltp_deploy.benchmark.workload import Case
    from ltp_deploy.data.examples import DataOptions
    from ltp_deploy.runtime.engine import Engine

Distribution = tuple[float, int]  # mean and longest length
PEERS = ("onnxruntime", "pytorch")  # as in `ltp_deploy.benchmark.baselines.peers`


def _distribution(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> Distribution | None:
    if value is None:
        return None
    mean, _colon, longest = value.partition(":")
    return (
        Number(min=1)(mean, parameter, context),
        COUNT(longest or "128", parameter, context),
    )


baseline_section = section("Baselines")
baseline_options = compose(
    baseline_section(
        "--against",
        type=PATH,
        metavar="CHECKPOINT",
        help="What the bundle was built from: needed for every baseline.",
    ),
    baseline_section(
        "--peers",
        metavar="A,B",
        callback=comma_list(click.Choice(PEERS)),
        help=f"Also time the dense model in other runtimes: {', '.join(PEERS)}.",
    ),
)
request_options = compose(
    data_section(
        "--data",
        metavar="DATA",
        help="Real text: a .tsv, .csv, .jsonl or .json file, or a `datasets` name.",
    ),
    data_options,
    data_section(
        "--lengths",
        metavar="N,N",
        callback=comma_list(COUNT),
        help="Random tokens in sequences of these lengths. Default: 16,64,128.",
    ),
    data_section(
        "--length-distribution",
        "distribution",
        metavar="MEAN[:MAX]",
        callback=_distribution,
        help="Random tokens in sequences of log-normal length. Default MAX: 128.",
    ),
    data_section(
        "--batch",
        "batches",
        default="1,32",
        show_default=True,
        metavar="N,N",
        callback=comma_list(COUNT),
        help="Sequences of a request.",
    ),
)
timing_section = section("Timing")
timing_options = compose(
    timing_section(
        "--seconds",
        type=Number(min=0),
        metavar="S",
        default=10.0,
        show_default=True,
        help="Time spent on each table.",
    ),
    timing_section(
        "--iterations",
        type=COUNT,
        metavar="N",
        help="How often each request runs, instead of --seconds.",
    ),
    timing_section("--threads", type=COUNT, metavar="N", help="CPU threads. Default: all."),
    pruning_option(timing_section),
)


@click.command(cls=Command)
@click.argument("bundle", type=PATH)
@baseline_options
@request_options
@timing_options
@output_section("-o", "--output", type=FILE, metavar="FILE", help="Also write the JSON here.")
@html_option
@json_option
@gathered(reading=DATA_OPTIONS)
def bench(
    bundle: Path,
    against: Path | None,
    peers: tuple[str, ...],
    data: str | None,
    reading: DataOptions,
    lengths: tuple[int, ...],
    distribution: Distribution | None,
    batches: tuple[int, ...],
    seconds: float,
    iterations: int | None,
    threads: int | None,
    pruning: float,
    output: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Time BUNDLE against itself without pruning, the dense model, and other runtimes.

    All take turns in one run, at the bundle's precision. Random tokens are pruned unlike real
    text: use --data for figures that mean something.
    """
    if (data is not None) + bool(lengths) + (distribution is not None) > 1:
        raise click.UsageError("--data, --lengths and --length-distribution exclude each other")
    if peers and against is None:
        raise click.UsageError("--peers needs --against CHECKPOINT, to make their model from")

    from ltp_deploy.benchmark.run import Options, run
    from ltp_deploy.bundle.directory import new_file
    from ltp_deploy.report.benchmark import describe
    from ltp_deploy.runtime.engine import load

    engine = load(bundle, threads=threads, pruning=pruning)
    if data is not None:
        cases = _real_cases(engine, data, reading, batches)
    else:
        cases = _random_cases(engine, lengths or (16, 64, 128), distribution, batches)
    result = run(engine, cases, against, Options(seconds, iterations, threads, peers))
    if output is not None:
        with new_file(output) as work:
            work.write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    show(result.to_dict(), describe(result), as_json)
    if html is not None:
        from ltp_deploy.report.page.gather import of_benchmark
        from ltp_deploy.report.page.page import write_page

        write_page(html, of_benchmark(bundle, result))


def _real_cases(
    engine: Engine, data: str, reading: DataOptions, batches: tuple[int, ...]
) -> list[Case]:
    """Requests of real text, a case for each batch size."""
    from ltp_deploy.benchmark import workload
    from ltp_deploy.data.examples import read_examples

    tokens = engine.tokenize(read_examples(data, reading, labels=False).texts)
    return [workload.from_data(tokens, size) for size in batches]


def _random_cases(
    engine: Engine,
    lengths: tuple[int, ...],
    distribution: Distribution | None,
    batches: tuple[int, ...],
) -> list[Case]:
    """Requests of random tokens; `lengths` where there is no distribution."""
    from ltp_deploy.benchmark import workload

    config = engine.config
    if distribution is not None:
        return [workload.of_distribution(config, *distribution, size) for size in batches]
    return [workload.of_length(config, length, size) for size in batches for length in lengths]
