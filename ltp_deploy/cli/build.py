"""`ltp-deploy build`"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltp_deploy.cli.options import compose, judged_data_options, policy_options

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions

shape_options = compose(
    click.option("--max-tokens", type=click.IntRange(min=1), help="Of all sequences of a request."),
    click.option("--max-batch", type=click.IntRange(min=1), help="Sequences of a request."),
    click.option("--max-length", type=click.IntRange(min=1), help="Tokens of one sequence."),
    click.option(
        "--usual-batch",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help="Sequences of a typical request, for which a GPU engine is tuned.",
    ),
)


def layer_numbers(context: Any, parameter: Any, value: str | None) -> tuple[int, ...]:
    """ "0,3" as (0, 3)."""
    numbers = value.split(",") if value else []
    if not all(number.strip().isdecimal() for number in numbers):
        raise click.BadParameter(f"expected layer numbers such as 0,3, found {value!r}")
    return tuple(sorted({int(number) for number in numbers}))


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--target",
    default="cpu",
    show_default=True,
    help="cpu, haswell, t4, torch-cuda, onnx, torchscript, null.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle to write.")
@click.option(
    "--precision",
    help="f32, bf16, int8-dynamic, int8 or fp16, by target. Default: f32; on GPUs: fp16.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What `calibrate` wrote: for --precision int8, and for the plan of any other.",
)
@click.option(
    "--not-int8",
    metavar="LAYERS",
    callback=layer_numbers,
    help="Layers to keep out of int8, with commas between them.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="Keep as many layers out of int8 as it takes for the score on --judge-data to drop by "
    "no more than this.",
)
@click.option("--judge-data", metavar="DATA", help="Texts with labels, for --max-drop.")
@click.option(
    "--outputs",
    type=click.Choice(["logits", "survivors"]),
    default="logits",
    show_default=True,
    help="survivors: the engine also reports which tokens survived each layer.",
)
@click.option(
    "--compact",
    default="auto",
    show_default=True,
    metavar="auto|all|none|bounded|LAYERS",
    help="Where pruned rows are removed; elsewhere they are marked dead, which changes no answer. "
    "auto: where it pays. bounded: never by changing a shape, so that a GPU never waits.",
)
@shape_options
@click.option(
    "--portable-onnx", is_flag=True, help="Add the model in standard ONNX operators (t4)."
)
@click.option("--library", help="tensorrt or tensorrt_rtx. Default: what can build for the target.")
@policy_options
@click.option("--force", is_flag=True, help="Replace an existing bundle.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
@click.option("--profile-data", metavar="DATA", help="Measure survivors on it, for the plan.")
@judged_data_options
@click.option(
    "--dump", type=click.Path(path_type=Path), help="Write the graph before and after each pass."
)
def build(
    checkpoint: Path,
    output: Path | None,
    outputs: str,
    portable_onnx: bool,
    force: bool,
    dry_run: bool,
    profile_data: str | None,
    calibration: Path | None,
    max_drop: float | None,
    judge_data: str | None,
    reading: DataOptions,
    dump: Path | None,
    **given: Any,
) -> None:
    """Compile CHECKPOINT, a directory, into an engine bundle."""
    from ltp_deploy.builder.build import build as run_build
    from ltp_deploy.builder.draft import Measured, draft_build
    from ltp_deploy.bundle.options import BuildOptions
    from ltp_deploy.parity.profile import ProfileData
    from ltp_deploy.report import plan as report

    options = BuildOptions(survivors=outputs == "survivors", portable=portable_onnx, **given)
    data = ProfileData(profile_data, reading) if profile_data else None
    measured = Measured(data, calibration)
    if (max_drop is None) != (judge_data is None):
        raise click.UsageError("--max-drop POINTS and --judge-data DATA go together")
    if max_drop is not None and options.not_int8:
        raise click.UsageError("--not-int8 says what --max-drop is to find out: pass one of them")
    if dry_run:
        if max_drop is not None:
            raise click.UsageError("--dry-run searches nothing: leave --max-drop out")
        draft = draft_build(checkpoint, options, measured)
        click.echo(report.describe(draft.plan, draft.encoder.config, options.target))
        return
    if output is None:
        raise click.UsageError("-o/--output is missing: where should the bundle go?")
    # A stop from outside must clean up as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if max_drop is not None and judge_data is not None:
        from dataclasses import replace

        from ltp_deploy.builder.int8_search import choose_layers
        from ltp_deploy.bundle.manifest import check_new_bundle
        from ltp_deploy.data.examples import read_examples

        check_new_bundle(output, force)
        judged = read_examples(judge_data, reading)
        found = choose_layers(checkpoint, options, measured, judged, max_drop, click.echo)
        options = replace(options, not_int8=found.not_int8)
    manifest = run_build(checkpoint, output, options, measured, force, dump)
    click.echo(report.built(manifest, output))
