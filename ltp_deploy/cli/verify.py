"""`ltp-deploy verify`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.options import json_option, judged_data_options, source_option

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), required=True, metavar="CHECKPOINT")
@source_option
@judged_data_options
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True)
@click.option(
    "--max-logit-difference",
    type=float,
    help="Fail above this; ties excepted. Default for f32: 1e-4.",
)
@click.option(
    "--max-flips",
    type=float,
    help="Fail when more than this percentage of predictions changes. Default but for f32: 1.",
)
@click.option(
    "--max-drop",
    type=float,
    help="Fail when accuracy drops by more points than this. Default but for f32: 1.",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Verify a bundle for a GPU on the CPU: its portable ONNX model, or a torch-cuda engine.",
)
@click.option(
    "--polygraphy",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="RESULTS",
    help="Run oracle, bundle and its portable model as Polygraphy runners instead, compare their "
    "logits and every layer's survivors, and save Polygraphy's RunResults in this file.",
)
@click.option(
    "--also",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="BUNDLE",
    help="With --polygraphy: another bundle of the same checkpoint, say of another target.",
)
@json_option
def verify(
    bundle: Path,
    against: Path,
    data: str,
    reading: DataOptions,
    batch: int,
    max_logit_difference: float | None,
    max_flips: float | None,
    max_drop: float | None,
    portable: bool,
    polygraphy: Path | None,
    also: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Prove that BUNDLE computes what CHECKPOINT means, on real data.

    The engine is compared with the masked oracle: logits, predictions, accuracy, and who survives
    each layer. Exits with status 1 when a tolerance is broken.
    """
    import json

    from ltp_deploy.data.examples import read_examples
    from ltp_deploy.report import verification as report
    from ltp_deploy.verification.result import Tolerances
    from ltp_deploy.verification.verify import verify as run_verify

    examples = read_examples(data, reading)
    if polygraphy:
        from dataclasses import asdict

        from ltp_deploy.report import comparison
        from ltp_deploy.verification.polygraphy import compare

        found = compare((bundle, *also), against, examples, batch, polygraphy)
        rows = [asdict(row) for row in found]
        click.echo(json.dumps(rows, indent=2) if as_json else comparison.describe(found))
        raise SystemExit(not all(row.passed for row in found))
    if also:
        raise click.UsageError("--also needs --polygraphy")
    tolerances = Tolerances(max_logit_difference, max_flips, max_drop)
    result = run_verify(bundle, against, examples, batch, tolerances, portable)
    click.echo(json.dumps(result.to_dict(), indent=2) if as_json else report.describe(result))
    if result.failures:
        raise SystemExit(1)
