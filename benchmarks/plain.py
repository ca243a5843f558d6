"""The commands as a newcomer types them, on four tasks: one JSON file, and a table of it.

Usage: python benchmarks/plain.py --data FOLDER [--work FOLDER] [--tasks sst2,mrpc] [--page]

FOLDER holds a folder for each task, see docs/results.md. Every command starts from the task's
dense MiniLM of seed 0, as learning.py trains it. What was run before is not run again. `--page`
writes the table into docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning import TASKS, first_job
from learning_page import markdown, put

from ltp_deploy.checkpoint.save import write_json
from ltp_deploy.hardware.machine import describe_machine
from ltp_deploy.learn.sweep import completed

RESULTS = Path(__file__).parent / "results" / "plain.json"
BEGIN, END = "<!-- plain commands begin -->", "<!-- plain commands end -->"
COLUMNS = [
    "task", "command", "dense, %", "against dense (95 % interval)", "texts", "FLOPs ratio",
    "in our engine", "minutes",
]  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command line; {task} is the folder of the task's data, {dense} its dense model.

    Attributes:
        tasks: for which it is run.
    """

    line: str
    tasks: tuple[str, ...] = ("sst2", "mrpc", "rte", "imdb")


COMMANDS = {
    "tune": Command("tune {dense} --data {task}/test.tsv{few}", ("sst2", "mrpc", "imdb")),
    "tune without labels": Command(
        "tune {dense} --data {task}/test.tsv --unlabelled{few}", ("sst2", "mrpc", "imdb")
    ),
    "tune on training data": Command(
        "tune {dense} --data {task}/train.tsv --test {task}/dev.tsv --limit 1000", ("rte",)
    ),
    "learn": Command("learn {dense} --data {task}/train.tsv --dev {task}/{test} --bf16{cut}"),
    "learn --quick": Command(
        "learn {dense} --data {task}/train.tsv --dev {task}/{test} --bf16 --quick{cut}", ("sst2",)
    ),
}
# IMDb is cut, since it takes hours whole.
CUT = {"imdb": " --limit 2000 --max-length 256"}
FEW = {"imdb": " --limit 1000"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("out/plain"))
    parser.add_argument("--tasks", default="sst2,mrpc,rte,imdb")
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--page", action="store_true", help="Write the table and nothing else.")
    options = parser.parse_args()
    if not options.page:
        for task in options.tasks.split(","):
            for title in options.commands.split(","):
                if task in COMMANDS[title].tasks:
                    record(task, title, options)
    table(json.loads(RESULTS.read_text()))


def record(task: str, title: str, options: argparse.Namespace) -> None:
    """Run a command, and add what it printed to the results."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    runs = found.setdefault(task, {})
    if title in runs:
        return
    data = (options.data / task).absolute()
    job = first_job(TASKS[task], data, options.work.absolute() / task, seed=0)
    completed(job)
    names = {"dense": job.output, "task": data, "test": TASKS[task].test}
    names |= {"cut": CUT.get(task, ""), "few": FEW.get(task, "")}
    line = COMMANDS[title].line.format(**names)
    output = options.work.absolute() / task / title.replace(" ", "-")
    arguments = [*shlex.split(line), "-o", str(output), "--force", "--json"]
    shutil.rmtree(output.with_name(f"{output.name}.work"), ignore_errors=True)  # interrupted
    begun = time.perf_counter()
    load = os.getloadavg()[0]
    result = subprocess.run(
        [sys.executable, "-m", "ltp_deploy.cli", *arguments], stdout=subprocess.PIPE, check=False
    )
    if result.returncode not in (0, 3):  # 3 is outside the budget, which is a result too
        raise SystemExit(f"{line}: exit status {result.returncode}")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found.setdefault(task, {})[title] = {
        "command": line.replace(str(options.data.absolute()), "DATA").replace(
            str(job.output), "DENSE"
        ),
        "status": result.returncode,
        "seconds": round(time.perf_counter() - begun),
        "load_before": load,
        "machine": describe_machine(),
        "result": json.loads(result.stdout),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, found)


def table(found: dict[str, Any]) -> None:
    """Print the table of all results, and put it into docs/results.md between its marks."""
    rows = []
    for task, runs in found.items():
        for title in (title for title in COMMANDS if title in runs):
            rows.append(row(task, title, runs[title]))
    text = markdown(COLUMNS, rows)
    print(text)
    put([text], BEGIN, END)


def row(task: str, title: str, run: dict[str, Any]) -> list[str]:
    """A run's line of the table."""
    measured = run["result"].get("estimate", run["result"])
    dense, pruned = measured["dense"]["score"], measured["pruned"]["score"]
    return [
        task,
        title,
        f"{dense:.2f}" if "without labels" not in title else "agreement",
        f"{pruned - dense:+.2f} ({-measured['high']:+.2f} to {-measured['low']:+.2f})",
        str(measured["texts"]),
        f"{measured['pruned']['flops_ratio']:.2f}x",
        f"{1 / measured['work']:.2f}x",
        f"{run['seconds'] / 60:.1f}",
    ]


if __name__ == "__main__":
    main()
