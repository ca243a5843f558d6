"""One setting over several values: a family of checkpoints, and what each costs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ltp_deploy.benchmark.run import Options
from ltp_deploy.benchmark.run import run as measure
from ltp_deploy.benchmark.workload import from_data
from ltp_deploy.builder.build import build
from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.learn.job import Job, run
from ltp_deploy.runtime.engine import load
from ltp_deploy.tune.evaluate import Point
from ltp_deploy.tune.plot import FLOPS, Panels, by_flops, draw

SETTINGS = {
    "lambda": "regularisation",
    "keep-rate": "keep_rate",
    "final-threshold": "final_threshold",
    "flops": "flops_ratio",
}
SECONDS = 10.0  # of measuring, for each checkpoint and batch size
BATCHES = (1, 32)


@dataclass(frozen=True)
class Swept:
    """What one value of the setting gives.

    Attributes:
        value: of the setting.
        checkpoint: its folder's name.
        point: what it does on the dev data.
        speed: how many times faster its engine is on the dev data, by batch size and then by
            baseline; empty where it was not measured.
    """

    value: float
    checkpoint: str
    point: Point
    speed: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Sweep:
    """One setting over several values; `dense` is the model without pruning."""

    setting: str
    dense: Point
    runs: list[Swept]

    def to_dict(self) -> dict[str, Any]:
        """As a dict that `json.dumps` takes."""
        return asdict(self)


def parse_sweep(text: str) -> tuple[str, list[float]]:
    """The name and the values in a text like `lambda=0.02,0.1`.

    Raises:
        LtpError: the setting is unknown, or a value is no number.
    """
    name, _, values = text.partition("=")
    if name not in SETTINGS:
        raise LtpError(f"--sweep {text!r}: give {' or '.join(SETTINGS)} and =, then values")
    try:
        return name, [float(value) for value in values.split(",")]
    except ValueError:
        raise LtpError(f"--sweep {text!r}: the values are numbers with commas between") from None


def sweep(job: Job, setting: str, values: Sequence[float], timed: bool = True) -> Sweep:
    """Learn with each value, and measure each result.

    `job.output` becomes a folder of checkpoints, with the operating points in sweep.json and
    sweep.svg. A new head is trained once for all of them.

    Args:
        job: what to do for each value.
        setting: a name in `SETTINGS`.
        values: what it is set to, one after another.
        timed: whether to build an engine of each checkpoint and measure its speed.

    Raises:
        LtpError: see `run`.
    """
    folder = job.output
    folder.mkdir(parents=True, exist_ok=True)
    if job.recipe.finetune_epochs:
        job = with_trained_head(job, folder / "dense")
    runs = []
    for value in values:
        output = folder / f"{setting}-{value:g}"
        changed: dict[str, Any] = {SETTINGS[setting]: value}
        dense, pruned = completed(
            replace(job, recipe=replace(job.recipe, **changed), output=output)
        )
        ratios = speed(output, job) if timed else {}
        runs.append(Swept(value, output.name, pruned, ratios))
    found = Sweep(setting, dense, runs)
    write_json(folder / "sweep.json", found.to_dict())
    draw(folder / "sweep.svg", f"{setting} of {job.recipe.method}", found.dense, _panels(job, runs))
    return found


def with_trained_head(job: Job, output: Path) -> Job:
    """The job without its fine-tuning stage, which is done here: `output` is its new model."""
    recipe = replace(job.recipe, method="dense", max_drop=None, hard_epochs=0.0)
    completed(replace(job, recipe=recipe, output=output))
    return replace(job, model=output, recipe=replace(job.recipe, finetune_epochs=0.0))


def _panels(job: Job, runs: list[Swept]) -> Panels:
    panels: Panels = {FLOPS: {job.recipe.method: by_flops(run.point for run in runs)}}
    measured = {
        f"{case}: over {baseline}": [(run.speed[case][baseline], run.point.score) for run in runs]
        for case, ratios in runs[0].speed.items()
        for baseline in ratios
    }
    return {**panels, "times faster, measured": measured} if measured else panels


def completed(job: Job) -> tuple[Point, Point]:
    """Run the job; if it resumes a run that is already complete, only read its result.

    Returns:
        What the model does on the dev data without and with pruning.

    Raises:
        LtpError: the complete run had other settings; see also `run`.
    """
    record = job.output / "learned.json"
    if not (job.resume and record.is_file()):
        run(job)
    known = json.loads(record.read_text())
    for name, value in asdict(job.recipe).items():
        found = known["recipe"].get(name, value)  # an earlier release knew fewer settings
        if value is not None and found != value:
            raise LtpError(
                f"{job.output} was trained with {name} {found}, and is now asked for with {value}; "
                "remove it, or choose another output path"
            )
    return Point(**known["dense"]), Point(**known["pruned"])


def speed(checkpoint: Path, job: Job) -> dict[str, dict[str, float]]:
    """How many times faster the checkpoint's CPU engine is than each baseline on the dev data.

    Returns:
        Ratios of times, by batch size and then by baseline.
    """
    with tempfile.TemporaryDirectory() as folder:
        build(checkpoint, Path(folder) / "engine")
        engine = load(Path(folder) / "engine")
        tokenizer = TransformersTokenizer(checkpoint, engine.config, job.recipe.max_length)
        tokens = tokenizer(read_examples(job.dev, job.options, labels=False).texts)
        cases = [from_data(tokens, size) for size in BATCHES]
        result = measure(engine, cases, checkpoint, Options(seconds=SECONDS))
    return {
        f"batch {size}": {runner.name: runner.time_ratio for runner in case.runners[1:]}
        for size, case in zip(BATCHES, result.cases, strict=True)
    }
