"""`ltp-deploy verify`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ltp_deploy.cli.command import Command, section
from ltp_deploy.cli.options import (
    DATA_OPTIONS,
    FILE,
    MAX_DROP,
    PATH,
    Number,
    batch_option,
    compose,
    gathered,
    html_option,
    json_option,
    judged_data_options,
    model_section,
    show,
    source_option,
)

if TYPE_CHECKING:
    from ltp_deploy.data.examples import DataOptions, Examples
    from ltp_deploy.verification.gates import Tolerances

model_options = compose(
    model_section(
        "--against",
        type=PATH,
        required=True,
        metavar="CHECKPOINT",
        help="What the bundle was built from.",
    ),
    model_section(
        "--portable",
        is_flag=True,
        help="Run a bundle for a GPU on this CPU: a torch-cuda engine, or the portable ONNX model.",
    ),
)
tolerance_section = section("Tolerances")
tolerance_options = compose(
    tolerance_section(
        "--max-logit-difference",
        type=Number(min=0),
        metavar="X",
        help="Largest difference of a logit from the oracle's, in sequences without a tie of "
        "score and threshold. Default: 1e-4 for f32, none for other precisions.",
    ),
    tolerance_section(
        "--max-flips",
        type=Number(min=0),
        metavar="PERCENT",
        help="Largest percentage of answers that change, where answers are labels. Default: 4 for "
        "int8 and int8-dynamic, 1 for fp16 and bf16, none for f32.",
    ),
    tolerance_section(
        "--max-error",
        type=Number(min=0),
        metavar="PERCENT",
        help="Largest RMS error, in percent of the deviation of the oracle's values, where answers "
        "are values, as of rerankers; of cosines between texts, where they are vectors. Default: "
        "5; of cosines in int8 and int8-dynamic 15.",
    ),
    tolerance_section(
        "--min-spearman",
        type=Number(min=-1, max=1),
        metavar="R",
        help="Least rank correlation with the oracle's values, likewise; of a reranker's pairs "
        "whose queries repeat, within each query. Default: 0.99.",
    ),
    tolerance_section(
        "--min-agreement",
        type=Number(min=0, max=100),
        metavar="PERCENT",
        help="Least percentage of the tokens alive in the oracle or the engine that are alive in "
        "both, over all layers. Default: 99.9 for f32, 98 for fp16 and bf16, 95 for int8 and "
        "int8-dynamic.",
    ),
    tolerance_section(
        "--max-drop",
        type=Number(min=0),
        metavar="POINTS",
        help=f"{MAX_DROP} Needs labels. Default: 1 where there are labels, none for f32.",
    ),
)
polygraphy_section = section("Polygraphy")
polygraphy_options = compose(
    polygraphy_section(
        "--polygraphy",
        type=FILE,
        metavar="FILE",
        help="Run oracle, bundle and its portable model as Polygraphy runners instead, compare "
        "their logits and every layer's survivors, and save Polygraphy's RunResults in FILE.",
    ),
    polygraphy_section(
        "--also",
        type=PATH,
        multiple=True,
        metavar="BUNDLE",
        help="With --polygraphy: another bundle of the same checkpoint, say of another target.",
    ),
)


@click.command(cls=Command)
@click.argument("bundle", type=PATH)
@model_options
@source_option
@judged_data_options
@batch_option
@tolerance_options
@polygraphy_options
@html_option
@json_option
@gathered(reading=DATA_OPTIONS, tolerances="ltp_deploy.verification.gates:Tolerances")
def verify(
    bundle: Path,
    against: Path,
    portable: bool,
    data: str,
    reading: DataOptions,
    batch: int,
    tolerances: Tolerances,
    polygraphy: Path | None,
    also: tuple[Path, ...],
    html: Path | None,
    as_json: bool,
) -> None:
    """Prove that BUNDLE computes what CHECKPOINT means, on real data.

    The engine is compared with the f32 oracle, which masks pruned tokens and reads texts with the
    checkpoint's own tokenizer: logits, answers, score, and the survivors of each layer. Exits with
    status 1 when a tolerance is broken.
    """
    if also and polygraphy is None:
        raise click.UsageError("--also needs --polygraphy")
    if polygraphy is not None and (
        portable or html or any(limit is not None for limit in vars(tolerances).values())
    ):
        raise click.UsageError(
            "--polygraphy runs portable models too, and compares within limits of its own: leave "
            "--portable, --html and the options under Tolerances out"
        )

    from ltp_deploy.data.examples import read_examples
    from ltp_deploy.report import verification as report
    from ltp_deploy.verification.verify import verify as run_verify

    examples = read_examples(data, reading)
    if polygraphy is not None:
        passed = _compare((bundle, *also), against, examples, batch, polygraphy, as_json)
    else:
        result = run_verify(bundle, against, examples, batch, tolerances, portable)
        show(result.to_dict(), report.describe(result), as_json)
        if html is not None:
            from ltp_deploy.report.page.gather import of_verification
            from ltp_deploy.report.page.page import write_page

            texts, source = examples.texts, Path(data).name
            write_page(html, of_verification(bundle, result, texts, source, portable))
        passed = not result.failures
    if not passed:
        raise SystemExit(1)


def _compare(
    bundles: tuple[Path, ...],
    checkpoint: Path,
    examples: Examples,
    batch: int,
    save: Path,
    as_json: bool,
) -> bool:
    """Compare by Polygraphy and print what was found; whether all of it passed."""
    from ltp_deploy.report import comparison
    from ltp_deploy.verification.polygraphy import compare

    found = compare(bundles, checkpoint, examples, batch, save)
    show([asdict(row) for row in found], comparison.describe(found), as_json)
    return all(row.passed for row in found)
