"""`ltp-deploy build`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.bundle.document import parse
from ltp_deploy.cli.command import WritingCommand, section
from ltp_deploy.cli.options import (
    COUNT,
    DATA_OPTIONS,
    FILE,
    MAX_DROP,
    PATH,
    Number,
    Whole,
    comma_list,
    compose,
    gathered,
    judged_data_options,
    model_section,
    output_section,
    policy_options,
)

if TYPE_CHECKING:
    from ltp_deploy.builder.draft import Measured
    from ltp_deploy.bundle.options import BuildOptions
    from ltp_deploy.data.examples import DataOptions

# Summary and precisions of every target and the libraries of TensorRT, as `ltp_deploy.targets` and
# `ltp_deploy.backends.tensorrt.library` have them, which a help page does not import.
TARGETS = {
    "cpu": ("OpenVINO on this CPU", ("f32", "bf16", "int8-dynamic", "int8")),
    "haswell": ("OpenVINO, our operators limited to AVX2", ("f32", "int8-dynamic", "int8")),
    "t4": ("TensorRT on an NVIDIA T4", ("fp16", "int8")),
    "torch-cuda": ("PyTorch with our CUDA kernels, on any NVIDIA GPU", ("fp16",)),
    "onnx": ("standard ONNX operators", ("f32", "fp16", "int8")),
    "torchscript": ("plain LibTorch", ("f32",)),
    "null": ("the compiler alone", ("f32",)),
}
LIBRARIES = ("tensorrt", "tensorrt_rtx")
CHANCE = Number(0, 1, min_open=True, max_open=True)

target_section = section("Target")
target_options = compose(
    target_section(
        "--target",
        type=click.Choice(tuple(TARGETS)),
        metavar="NAME",
        default="cpu",
        show_default=True,
        help="; ".join(f"{name}: {summary}" for name, (summary, _) in TARGETS.items()) + ".",
    ),
    target_section(
        "--library",
        type=click.Choice(LIBRARIES),
        help="What builds the engine for t4. Default: tensorrt where it is installed and the GPU "
        "is present, else tensorrt_rtx.",
    ),
)


def label_thresholds(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> dict[str, float] | tuple[float, ...] | None:
    """What a JSON file says, or NAME=X,NAME=X; what they mean is checked with the checkpoint."""
    if value is None:
        return None
    if "=" not in value or Path(value).is_file():
        try:
            found = parse(Path(value).read_bytes(), foreign=True)
        except (OSError, ValueError) as error:
            raise click.BadParameter(
                f"{value!r} is neither NAME=X,NAME=X nor a JSON file: {error}"
            ) from None
        return tuple(found) if isinstance(found, list) else found
    named: dict[str, float] = {}
    for part in value.split(","):
        name, _, number = part.rpartition("=")
        if name.strip() in named:
            raise click.BadParameter(f"{name.strip()!r} has two thresholds")
        named[name.strip()] = CHANCE.convert(number, parameter, context)
    return named


thresholds_option = model_section(
    "--label-thresholds",
    metavar="NAME=X,NAME=X|FILE",
    callback=label_thresholds,
    help="Probabilities above which labels hold, of a model that gives any number of labels. FILE: "
    "JSON, an object with names or a list with one for each label. Default, and that of labels "
    "left out: what the checkpoint says, else 0.5.",
)

layer_numbers = comma_list(Whole(min=0))
precision_section = section("Precision")
precision_options = compose(
    precision_section(
        "--precision",
        type=click.Choice(sorted({p for _, names in TARGETS.values() for p in names})),
        metavar="NAME",
        help="Of the matrix products. "
        + "; ".join(f"{name}: {', '.join(known)}" for name, (_, known) in TARGETS.items())
        + ". Default: the target's first.",
    ),
    precision_section(
        "--calibration",
        type=FILE,
        metavar="FILE",
        help="What `ltp-deploy calibrate` wrote: ranges of activations, which int8 needs, and "
        "measured survivors for the plan of any precision.",
    ),
    precision_section(
        "--not-int8",
        metavar="LAYERS",
        callback=lambda *given: tuple(sorted(set(layer_numbers(*given)))),
        help="Layers to keep out of int8, such as 0,3.",
    ),
    precision_section(
        "--max-drop",
        type=Number(min=0),
        metavar="POINTS",
        help=f"{MAX_DROP} Without --precision the fastest precision of the target that holds this "
        "on --judge-data is taken: engines of all are built, and timed on this machine. Layers are "
        "kept out of int8, as few as it takes, where that holds it.",
    ),
    precision_section("--judge-data", metavar="DATA", help="Texts with labels, for --max-drop."),
)

shape_section = section("Shapes")
shape_options = compose(
    shape_section(
        "--max-tokens", type=COUNT, metavar="N", help="Most tokens of all sequences of a request."
    ),
    shape_section("--max-batch", type=COUNT, metavar="N", help="Most sequences of a request."),
    shape_section("--max-length", type=COUNT, metavar="N", help="Most tokens of one sequence."),
    shape_section(
        "--usual-batch",
        type=COUNT,
        metavar="N",
        default=8,
        show_default=True,
        help="Sequences of a typical request, for which the engine of a GPU is tuned, and with "
        "which --max-drop times engines.",
    ),
)

plan_section = section("Plan")
plan_options = compose(
    plan_section(
        "--compact",
        default="auto",
        show_default=True,
        metavar="WHERE",
        help="Layers at which pruned tokens leave the packed sequences (compaction): auto, all, "
        "none, bounded, or layers such as 2,5,8. At other layers they stay, marked as pruned, "
        "which changes no answer. auto: where it pays. bounded: tensors keep their size, so that "
        "a GPU needs no host sync.",
    ),
    plan_section(
        "--profile-data", metavar="DATA", help="Texts on which survivors are measured for the plan."
    ),
    plan_section("--dry-run", is_flag=True, help="Print the plan and write nothing."),
)

output_options = compose(
    output_section("-o", "--output", type=PATH, metavar="BUNDLE", help="The bundle to write."),
    output_section(
        "--outputs",
        "survivors",
        type=click.Choice(["logits", "survivors"]),
        default="logits",
        show_default=True,
        callback=lambda context, parameter, value: value == "survivors",
        help="What the engine reports: logits alone, or with the tokens that survive each layer.",
    ),
    output_section(
        "--portable-onnx",
        "portable",
        is_flag=True,
        help="Add the model in standard ONNX operators (t4).",
    ),
    output_section(
        "--no-tokenizer",
        "tokenizer",
        flag_value=False,
        default=True,
        help="Leave the checkpoint's tokenizer out: the engine takes token ids alone.",
    ),
    output_section(
        "--cpp-texts",
        is_flag=True,
        help="Add the tokenizer in the form by which the C++ runtime reads texts.",
    ),
    output_section(
        "--dump",
        type=PATH,
        metavar="FOLDER",
        help="Write the graph before and after each compiler pass.",
    ),
    output_section("--force", is_flag=True, help="Replace an existing bundle."),
)


@click.command(cls=WritingCommand)
@click.argument("checkpoint", type=PATH)
@target_options
@policy_options
@thresholds_option
@precision_options
@shape_options
@plan_options
@judged_data_options
@output_options
@gathered(options="ltp_deploy.bundle.options:BuildOptions", reading=DATA_OPTIONS)
def build(
    checkpoint: Path,
    options: BuildOptions,
    reading: DataOptions,
    calibration: Path | None,
    profile_data: str | None,
    max_drop: float | None,
    judge_data: str | None,
    dry_run: bool,
    output: Path | None,
    dump: Path | None,
    force: bool,
) -> None:
    """Compile CHECKPOINT, a directory, into an engine bundle.

    The options under Data say how --profile-data and --judge-data are read.
    """
    if (max_drop is None) != (judge_data is None):
        raise click.UsageError("--max-drop POINTS and --judge-data DATA go together")
    if max_drop is not None and options.not_int8:
        raise click.UsageError("--not-int8 says what --max-drop is to find out: pass one of them")
    if max_drop is not None and dry_run:
        raise click.UsageError("--dry-run searches nothing: leave --max-drop out")
    if output is None and not dry_run:
        raise click.UsageError("-o/--output is missing: where should the bundle go?")

    from ltp_deploy.builder.build import build as run_build
    from ltp_deploy.builder.draft import Measured
    from ltp_deploy.parity.profile import ProfileData
    from ltp_deploy.report import plan as report

    data = ProfileData(profile_data, reading) if profile_data else None
    measured = Measured(data, calibration)
    if output is None or dry_run:
        click.echo(_planned(checkpoint, options, measured))
        return
    if max_drop is not None and judge_data is not None:
        from ltp_deploy.bundle.manifest import check_new_bundle

        check_new_bundle(output, force)
        options = _chosen(checkpoint, options, measured, judge_data, reading, max_drop)
    manifest = run_build(checkpoint, output, options, measured, force, dump)
    click.echo(report.built(manifest, output))


def _planned(checkpoint: Path, options: BuildOptions, measured: Measured) -> str:
    """The plan in words, and why this machine cannot carry it out, if so."""
    from ltp_deploy.builder.draft import draft_build
    from ltp_deploy.report import plan as report
    from ltp_deploy.targets import find_target

    draft = draft_build(checkpoint, options, measured)
    target = find_target(options.target)
    missing = target.backend.missing(target, options)
    plan = report.describe(draft.plan, draft.encoder.config, options.target)
    return f"{plan}\nthis machine cannot build it: {missing}" if missing else plan


def _chosen(
    checkpoint: Path,
    options: BuildOptions,
    measured: Measured,
    judge_data: str,
    reading: DataOptions,
    max_drop: float,
) -> BuildOptions:
    """The options with the fastest precision whose score drops by no more than `max_drop`."""
    from ltp_deploy.builder.precision_search import choose_precision
    from ltp_deploy.data.examples import read_examples
    from ltp_deploy.report import precisions as report

    judged = read_examples(judge_data, reading)
    found = choose_precision(checkpoint, options, measured, judged, max_drop, click.echo)
    click.echo(f"\n{report.describe(found)}\n")
    return found.applied_to(options)
