"""Commands that are stopped at random moments: `python -m tests.cli.interruptions --runs 200`.

Each run begins a command as a user would, sends it a signal after a random part of the time that it
takes, looks at what is left, and runs it again to its end. Exit status 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.signals import STOPS, set_signals
from tests.tiny import POLICIES, random_texts, save_tiny, save_tokenizer

SIGNALS = (*STOPS, signal.SIGKILL)
SECONDS = 600  # within which every command has long ended
PART = "part-000000.parquet"
STATUS_BUDGET = 3  # of `learn`, where the result loses more than was asked for; it is written


@dataclass(frozen=True)
class Trial:
    """A command and its output.

    Attributes:
        arguments: what stands before `-o OUTPUT`.
        marker: a file that a complete output holds; "" where the output is a file.
        replaces: whether an output is there before, which `--force` replaces.
        again: what more the command takes after it was stopped.
    """

    arguments: tuple[str, ...]
    output: Path
    marker: str
    replaces: bool = False
    again: tuple[str, ...] = ()

    def command(self, *more: str) -> list[str]:
        force = ("--force",) if self.replaces else ()
        command = [sys.executable, "-m", "ltp_deploy.cli", *self.arguments, *force, *more]
        return [*command, "-o", str(self.output)]

    @property
    def complete(self) -> bool:
        return (self.output / self.marker if self.marker else self.output).is_file()


@dataclass
class Storm:
    """A folder with a tiny checkpoint, data and a bundle, in which commands are stopped."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)  # that each command takes

    def __post_init__(self) -> None:
        checkpoint, bundle, data = self.folder / "ck", self.folder / "bundle", self.folder / "d.tsv"
        checkpoint.mkdir()
        save_tokenizer(checkpoint)
        save_tiny(checkpoint, "bert", POLICIES["reference"], id2label={0: "bad", 1: "good"})
        rows = [f"{text}\t{i % 2}\n" for i, text in enumerate(random_texts(60, seed=1))]
        data.write_text("sentence\tlabel\n" + "".join(rows))
        self.temporary, self.place = self.folder / "tmp", self.folder / "place"
        self.temporary.mkdir()
        build, given = ("build", str(checkpoint)), ("--data", str(data))
        train, out = ("learn", str(checkpoint), *given, "--dev", str(data)), self.place / "out"
        self.trials = {
            "build": Trial(build, self.place / "new" / "out", "manifest.json"),
            "build --force": Trial(build, out, "manifest.json", replaces=True),
            "build torchscript": Trial((*build, "--target", "torchscript"), out, "manifest.json"),
            "build onnx": Trial((*build, "--target", "onnx"), out, "manifest.json"),
            "calibrate": Trial(("calibrate", str(checkpoint), *given), out, ""),
            "tune": Trial(
                ("tune", str(checkpoint), *given, "--max-drop", "50"), out, "config.json"
            ),
            "learn": Trial((*train, "--quick"), out, "config.json", again=("--resume",)),
            "report": Trial(("report", str(bundle)), out, ""),
            "export": Trial(("export", str(bundle), "--for", "optimum"), out, "README.md"),
            "score": Trial(("score", str(bundle), str(data), "--shard-rows", "5"), out, PART),
        }
        self._run(Trial(build, bundle, "manifest.json"))

    def run(self, name: str, stop: signal.Signals, rng: random.Random) -> list[str]:
        """Stop a command once, and run it again; returns what was wrong."""
        trial = self.trials[name]
        if name not in self.seconds:
            self._prepare(trial)
            begin = time.monotonic()
            self._run(trial)
            self.seconds[name] = time.monotonic() - begin
        self._prepare(trial)
        process = self._begin(trial.command())
        time.sleep(rng.uniform(0, self.seconds[name]))
        process.send_signal(stop)
        _, errors = process.communicate(timeout=SECONDS)
        wrong = []
        if process.returncode not in (0, STATUS_BUDGET, -stop, 128 + stop):
            wrong.append(f"exit status {process.returncode}: {errors[-300:]}")
        last = errors.rpartition("\n")[0].rpartition("\n")[2]
        if process.returncode == 128 + stop and not last.startswith(f"stopped by {stop.name}"):
            wrong.append(f"it says {errors[-300:]!r}")
        if "Traceback" in errors and process.returncode > 0:
            wrong.append(errors[-600:])
        if stop != signal.SIGKILL:
            wrong += self._left(trial)
        if trial.complete and not trial.replaces:
            return wrong
        work = trial.output.with_name(f"{trial.output.name}.work")
        wrong += self._run(trial, *(trial.again if work.exists() else ()))
        wrong += [f"left: {work.name}"] * work.exists()
        return wrong + self._left(trial)

    def _prepare(self, trial: Trial) -> None:
        """An empty place, or one with the output that is to be replaced."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        if trial.replaces:
            self._run(trial)

    def _begin(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=set_signals,
        )

    def _run(self, trial: Trial, *more: str) -> list[str]:
        process = self._begin(trial.command(*more))
        _, errors = process.communicate(timeout=SECONDS)
        done = process.returncode in (0, STATUS_BUDGET) and trial.complete
        return [] if done else [f"again: exit status {process.returncode}: {errors[-300:]}"]

    def _left(self, trial: Trial) -> list[str]:
        """What is there beside complete outputs and what `learn` and `score` go on from."""
        found = [
            path for path in self.folder.rglob("*.partial") if path.parents[1].suffix != ".work"
        ]
        found += self.temporary.iterdir()
        if trial.output.exists() and not trial.complete:
            found.append(trial.output)
        parent = trial.output.parent
        if parent != self.place and parent.exists() and not trial.output.exists():
            found.append(parent)
        return [f"left: {path.relative_to(self.folder)}" for path in found]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cli.interruptions")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, count, wrong = random.Random(given.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="ltp-interruptions-") as folder:
        storm = Storm(Path(folder))
        for _ in range(given.runs):
            name, stop = rng.choice(list(storm.trials)), rng.choice(SIGNALS)
            found = storm.run(name, stop, rng)
            count[name] += 1
            wrong += bool(found)
            print(f"{name}, {stop.name}: {'; '.join(found) or 'nothing is wrong'}", flush=True)
    print(", ".join(f"{number} {name}" for name, number in sorted(count.items())))
    print(f"{given.runs} runs, {wrong} went wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
