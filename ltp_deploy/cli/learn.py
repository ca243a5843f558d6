"""`ltp-deploy learn`"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import WritingCommand, section
from ltp_deploy.cli.options import (
    COUNT,
    DATA_OPTIONS,
    DROP_FROM_DENSE,
    PATH,
    POOLING_HELP,
    POOLINGS,
    Number,
    Whole,
    compose,
    data_section,
    gathered,
    html_option,
    json_option,
    judged_data_options,
    output_section,
    show,
)

if TYPE_CHECKING:
    from ltp_deploy.learn.job import Job

METHODS = ("ltp", "manual", "tuned", "topk", "dense")  # as in `ltp_deploy.learn.recipe`
NEW_HEADS = ("classification", "regression", "multi_label", "ranking")  # as in `ltp_deploy.heads`
POSITIVE = Number(min=0, min_open=True)
OUTSIDE_BUDGET = 3  # the exit status where the result loses more than was allowed
DROPOUT = Number(0, 1, max_open=True)
QUICK_EPOCHS = 2.0

data_options = compose(
    data_section(
        "--data",
        "train",
        required=True,
        metavar="DATA",
        help="Training data: a .tsv, .csv, .jsonl or .json file, or a `datasets` name, whose split "
        "`train` is read.",
    ),
    data_section(
        "--dev",
        required=True,
        metavar="DATA",
        help="Data on which the result is judged: a file or a name, read with the options below.",
    ),
    judged_data_options,
    data_section("--max-length", type=Whole(min=2), metavar="N", help="Cut sequences to N tokens."),
)

budget_section = section("Budget")
budget_options = compose(
    budget_section(
        "--max-drop",
        type=Number(min=0),
        metavar="POINTS",
        help=f"{DROP_FROM_DENSE} --dev decides how much is pruned; where the estimate that is "
        f"printed is more than that, the exit status is {OUTSIDE_BUDGET}. Default: 1, unless "
        "--flops or --lambda is given.",
    ),
    budget_section(
        "--flops",
        "flops_ratio",
        type=Number(min=1),
        metavar="RATIO",
        help="How many times fewer FLOPs the result needs, in place of --max-drop: thresholds or "
        "keep rates are scaled by one factor before and after the last stage.",
    ),
    budget_section(
        "--quick",
        is_flag=True,
        help="Train for less long: thresholds that rise from layer to layer in place of "
        "learned ones (--method manual), and 2 hard epochs.",
    ),
)

pruning_section = section("Pruning")
pruning_options = compose(
    pruning_section(
        "--method",
        type=click.Choice(METHODS),
        default="ltp",
        show_default=True,
        help="ltp: learned thresholds. manual: rising ones, not learned. tuned: those that tune's "
        "search layer by layer finds. topk: a falling share of tokens. dense: no pruning, for "
        "--finetune alone.",
    ),
    pruning_section(
        "--lambda",
        "regularisation",
        type=Number(min=0),
        metavar="X",
        help="What a kept token costs while thresholds are learned: more of it prunes more. Given "
        "without a budget, the result prunes what this leads to. Default: 0.1.",
    ),
    pruning_section(
        "--final-threshold",
        type=Number(min=0),
        metavar="X",
        help="Where the last layer's threshold starts. Default: 0.01 at 128 tokens.",
    ),
    pruning_section(
        "--temperature",
        type=POSITIVE,
        metavar="X",
        help="Of the soft mask. Default: 2e-3 at 128 tokens.",
    ),
    pruning_section(
        "--keep-rate",
        type=Number(0, 1),
        metavar="SHARE",
        default=0.2,
        show_default=True,
        help="Of topk: the share of tokens that the last layer keeps.",
    ),
    pruning_section(
        "--score-length",
        metavar="N|sequence",
        help="Score denominator D in tokens, or each sequence's own length. Default: sequence; a "
        "MODEL that leaves its own D open (mean_norm) must be told.",
    ),
    pruning_section(
        "--first-token",
        type=click.Choice(["keep", "reference"]),
        default="keep",
        show_default=True,
        help="keep: the first token is never pruned. reference: it may be, as in the released "
        "code.",
    ),
    pruning_section("--pooling", type=click.Choice(POOLINGS), help=POOLING_HELP),
    pruning_section(
        "--sweep",
        metavar="SETTING=X,X",
        help="Learn with each value of lambda, keep-rate, final-threshold or flops: the output "
        "becomes a folder of checkpoints, with score, FLOPs and measured speed in sweep.json and "
        "sweep.svg.",
    ),
)

stage_section = section("Stages")
stage_options = compose(
    stage_section(
        "--finetune", is_flag=True, help="MODEL has no head for the task: train one first."
    ),
    stage_section(
        "--head",
        type=click.Choice(NEW_HEADS),
        help="Of --finetune: what the new head gives. Default: ranking where rows are a query with "
        "its passages; else by the labels.",
    ),
    stage_section(
        "--finetune-epochs",
        type=Number(min=0),
        metavar="X",
        default=3.0,
        show_default=True,
        help="Of --finetune.",
    ),
    stage_section(
        "--soft-epochs",
        type=Number(min=0),
        metavar="X",
        help="Under the soft mask. Default: 1; for less than 10,000 rows 2.",
    ),
    stage_section(
        "--hard-epochs",
        type=Number(min=0),
        metavar="X",
        help="Under the hard mask. Default: 2; for less than 10,000 rows 3.",
    ),
)

training_section = section("Training")
training_options = compose(
    training_section(
        "--lr",
        "learning_rate",
        type=POSITIVE,
        metavar="X",
        default=5e-5,
        show_default=True,
        help="Learning rate of the weights, but for the hard stage.",
    ),
    training_section(
        "--hard-lr",
        "hard_learning_rate",
        type=POSITIVE,
        metavar="X",
        default=5e-5,
        show_default=True,
        help="Learning rate of the weights in the hard stage.",
    ),
    training_section(
        "--threshold-lr",
        "threshold_learning_rate",
        type=POSITIVE,
        metavar="X",
        help="Learning rate of the thresholds. Default: three times --lr at 128 tokens.",
    ),
    training_section(
        "--batch",
        type=COUNT,
        metavar="N",
        default=32,
        show_default=True,
        help="Sequences of a step.",
    ),
    training_section(
        "--dropout",
        type=DROPOUT,
        metavar="SHARE",
        default=0.1,
        show_default=True,
        help="Of hidden states.",
    ),
    training_section(
        "--attention-dropout",
        type=DROPOUT,
        metavar="SHARE",
        default=0.0,
        show_default=True,
        help="Of attention probabilities.",
    ),
    training_section(
        "--distill",
        type=Number(0, 1),
        metavar="WEIGHT",
        default=0.9,
        show_default=True,
        help="Weight of the dense model's answers in the loss.",
    ),
    training_section("--bf16", is_flag=True, help="Train in mixed precision."),
    training_section(
        "--seed", type=int, metavar="N", default=0, show_default=True, help="Of the random numbers."
    ),
)

output_options = compose(
    output_section(
        "-o",
        "--output",
        type=PATH,
        metavar="OUTPUT",
        required=True,
        help="The checkpoint to write, with learned.json (settings and scores) and log.jsonl "
        "(losses and tokens alive).",
    ),
    output_section("--resume", is_flag=True, help="Go on where an interrupted run stopped."),
    output_section("--force", is_flag=True, help="Replace an existing checkpoint."),
    html_option,
    json_option,
)


@click.command(cls=WritingCommand)
@click.argument("model", type=PATH)
@data_options
@budget_options
@pruning_options
@stage_options
@training_options
@output_options
@gathered(
    recipe="ltp_deploy.learn.recipe:Recipe",
    options=DATA_OPTIONS,
    job="ltp_deploy.learn.job:Job",
)
def learn(
    job: Job,
    quick: bool,
    finetune: bool,
    bf16: bool,
    sweep: str | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Learn a token pruning policy for MODEL, a directory with a classifier, and write the
    trained checkpoint.

    Three stages, as published: thresholds and weights under a soft mask, thresholds made hard,
    weights under the hard mask. The result prunes as much as a budget allows. Checkpoints of the
    stages lie next to the output, in OUTPUT.work, until the run is complete.
    """
    from ltp_deploy.learn.job import run
    from ltp_deploy.learn.sweep import parse_sweep
    from ltp_deploy.learn.sweep import sweep as run_sweep
    from ltp_deploy.report import learned as report

    recipe = job.recipe
    if quick:
        if recipe.method not in ("ltp", "manual"):
            raise click.UsageError(f"--quick is --method manual: leave --method {recipe.method}")
        epochs = QUICK_EPOCHS if recipe.hard_epochs is None else recipe.hard_epochs
        recipe = replace(recipe, method="manual", hard_epochs=epochs)
    if recipe.regularisation is not None and recipe.method != "ltp":
        raise click.UsageError("--lambda is for --method ltp, which learns thresholds")
    if sweep and recipe.max_drop is not None:
        raise click.UsageError("--sweep writes several results, without a --max-drop for each")
    if sweep and html is not None:
        raise click.UsageError("--html shows one result, and --sweep writes several: use its .svg")
    if job.head and not finetune:
        raise click.UsageError("--head is for --finetune, which trains a new head")
    if not finetune:
        recipe = replace(recipe, finetune_epochs=0.0)
    decided = (recipe.flops_ratio, recipe.max_drop, recipe.regularisation)
    if decided == (None, None, None) and recipe.method != "dense" and not sweep:
        recipe = replace(recipe, max_drop=1.0)
    job = replace(job, recipe=recipe, arguments={"bf16": True} if bf16 else {})
    if sweep:
        family = run_sweep(job, *parse_sweep(sweep))
        show(family.to_dict(), report.describe_sweep(family), as_json)
        return
    result = run(job)
    show(result.to_dict(), report.describe(result, job.output), as_json)
    if html is not None:
        from ltp_deploy.report.page.gather import of_learned
        from ltp_deploy.report.page.page import write_page

        write_page(html, of_learned(job.output, result))
    if not result.inside_budget:
        click.echo(report.outside_budget(result), err=True)
        click.get_current_context().exit(OUTSIDE_BUDGET)
