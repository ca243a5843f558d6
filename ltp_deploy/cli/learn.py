"""`ltp-deploy learn`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ltp_deploy.cli.options import json_option, judged_data_options

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Training data: .tsv, .csv, .jsonl, or a name.")
@click.option("--dev", required=True, help="Data on which the result is judged.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option(
    "--method",
    type=click.Choice(["ltp", "manual", "topk", "dense"]),
    default="ltp",
    show_default=True,
    help="ltp: learned thresholds. manual: rising ones, not learned. topk: a falling share. dense: "
    "no pruning, for --finetune alone.",
)
@click.option(
    "--lambda",
    "regularisation",
    type=click.FloatRange(min=0),
    default=0.1,
    show_default=True,
    help="What a kept token costs while thresholds are learned: more of it prunes more.",
)
@click.option("--temperature", type=float, help="Of the soft mask. Default: 1e-3 at 128 tokens.")
@click.option(
    "--final-threshold",
    type=float,
    help="Where the last layer's threshold starts. Default: 0.01 at 128 tokens.",
)
@click.option(
    "--keep-rate", type=float, default=0.2, show_default=True, help="Of topk, at the end."
)
@click.option("--finetune", is_flag=True, help="MODEL has no head for the task: train one first.")
@click.option("--finetune-epochs", type=float, default=3.0, show_default=True)
@click.option("--soft-epochs", type=float, help="Default: 1; below 10,000 rows 10.")
@click.option("--hard-epochs", type=float, default=5.0, show_default=True)
@click.option("--lr", "learning_rate", type=float, default=2e-5, show_default=True)
@click.option("--hard-lr", "hard_learning_rate", type=float, default=1e-5, show_default=True)
@click.option(
    "--threshold-lr",
    "threshold_learning_rate",
    type=float,
    help="Default: that of --lr at 128 tokens.",
)
@click.option(
    "--flops",
    "flops_ratio",
    type=click.FloatRange(min=1),
    metavar="RATIO",
    help="How many times fewer FLOPs the result shall need: thresholds or keep rates are scaled "
    "by one factor before and behind the last stage.",
)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.1)
@click.option("--attention-dropout", type=click.FloatRange(0, 1, max_open=True), default=0.1)
@click.option(
    "--distill",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Weight of the dense model's answers in the loss.",
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True)
@click.option("--max-length", type=click.IntRange(min=2), help="Cut sequences to this length.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--score-length", default="sequence", show_default=True, metavar="N|sequence")
@click.option(
    "--first-token",
    type=click.Choice(["keep", "reference"]),
    default="keep",
    show_default=True,
)
@click.option("--bf16", is_flag=True, help="Train in mixed precision.")
@click.option(
    "--sweep",
    metavar="SETTING=V,V,...",
    help="Learn with each value of lambda, keep-rate, final-threshold or flops: OUTPUT becomes a "
    "folder of checkpoints, with accuracy, FLOPs and measured speed in sweep.json and sweep.svg.",
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option("--force", is_flag=True, help="Replace an existing checkpoint.")
@judged_data_options
@json_option
def learn(
    model: Path,
    data: str,
    dev: str,
    output: Path,
    finetune: bool,
    finetune_epochs: float,
    soft_epochs: float | None,
    score_length: str,
    first_token: str,
    bf16: bool,
    sweep: str | None,
    resume: bool,
    force: bool,
    reading: DataOptions,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn a token pruning policy for MODEL, a directory with a classifier, and write the
    trained checkpoint.

    Three stages, as published: thresholds and weights under a soft mask, thresholds made hard,
    weights under the hard mask. Checkpoints of the stages lie beside the output, in OUTPUT.work,
    until the run is complete. OUTPUT/learned.json holds settings and scores, OUTPUT/log.jsonl the
    losses.
    """
    import json

    from ltp_deploy.learn.learn import Job, run
    from ltp_deploy.learn.recipe import Recipe
    from ltp_deploy.learn.sweep import parse_sweep
    from ltp_deploy.learn.sweep import sweep as run_sweep
    from ltp_deploy.report import learned as report

    recipe = Recipe(
        finetune_epochs=finetune_epochs if finetune else 0.0, soft_epochs=soft_epochs, **settings
    )
    arguments = {"bf16": True} if bf16 else {}
    job = Job(
        model,
        data,
        dev,
        output,
        recipe,
        reading,
        score_length,
        first_token,
        resume,
        force,
        arguments,
    )
    if sweep:
        found = run_sweep(job, *parse_sweep(sweep))
        click.echo(
            json.dumps(found.to_dict(), indent=2) if as_json else report.describe_sweep(found)
        )
        return
    result = run(job)
    click.echo(
        json.dumps(result.to_dict(), indent=2) if as_json else report.describe(result, output)
    )
