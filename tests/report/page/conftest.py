"""A bundle, and everything that can be found about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.benchmark.run import Options, run
from ltp_deploy.benchmark.workload import from_data
from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint.identity import checkpoint_hash
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.learn.learn import Learned
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.parity.profile import ProfileData
from ltp_deploy.runtime.engine import load
from ltp_deploy.tune.evaluate import Point
from ltp_deploy.tune.job import TuneJob, tune_checkpoint
from ltp_deploy.verification.verify import verify
from tests.once import Once

HOSTILE = "</script><script>alert(1)</script><!-- & \"'"


@dataclass(frozen=True)
class Material:
    """A folder with a tuned checkpoint, a bundle of it, and the results of all commands."""

    folder: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def options(self) -> list[Path | str]:
        """Of `ltp-deploy report`, for a page with every section but the calibration."""
        return [
            *("--verify", self / "verify.json"),
            *("--bench", self / "bench.json"),
            *("--tune", self / "tuned" / "tuned.json"),
            *("--learn", self / "learned.json"),
            *("--texts", self / "texts.txt"),
        ]


def write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document))


def learned(checkpoint: Path, layers: int) -> dict[str, Any]:
    """What `learn` would write of a checkpoint; nothing is trained here."""
    dense = Point("accuracy %", 90.0, 1.0, [10.0] * (layers + 1))
    pruned = Point("accuracy %", 89.5, 2.1, [10.0, *([4.5] * layers)])
    policy = {"layers": [{"mode": "absolute", "threshold": 0.01}] * layers}
    sha256 = checkpoint_hash(checkpoint)
    recipe = Recipe(max_drop=1.0)
    result = Learned(recipe, policy, dense, pruned, -0.2, 1.2, 500, 0.4, "", sha256)
    return result.to_dict()


def log_lines() -> list[dict[str, Any]]:
    """As `StageLog` writes them, the summary of a stage among them."""
    lines: list[dict[str, Any]] = [
        {"stage": stage, "step": step, "loss": loss / step, "tokens_alive": 4.0, "tokens": 10.0}
        for stage, loss in (("soft", 9.0), ("hard", 5.0))
        for step in (10, 20, 30)
    ]
    return [*lines, {"stage": "hard", "step": 30, "train_runtime": 2.0}]


@pytest.fixture(scope="session")
def material(checkpoint_of: Callable[..., Path], texts: Path, once: Once) -> Material:
    """Its labels are hostile, and so is one of its texts."""
    dense = checkpoint_of("bert", None, id2label={0: "bad & worse", 1: HOSTILE})

    def make(folder: Path) -> None:
        tuned = folder / "tuned"
        found = tune_checkpoint(TuneJob(dense, str(texts), tuned, 40.0))
        data = ProfileData(str(texts), DataOptions())
        build(tuned, folder / "bundle", BuildOptions(survivors=True), Measured(data))
        write(folder / "verify.json", verify(folder / "bundle", tuned, texts).to_dict())
        with load(folder / "bundle") as engine:
            tokens = engine.tokenize(read_examples(str(texts), labels=False).texts)
            cases = [from_data(tokens, size) for size in (1, 8)]
            write(
                folder / "bench.json",
                run(engine, cases, tuned, Options(iterations=2)).to_dict(),
            )
        layers = len(found.chosen.policy.layers)
        write(folder / "learned.json", learned(tuned, layers))
        log = [json.dumps(line) for line in log_lines()]
        (folder / "log.jsonl").write_text("\n".join(log) + "\n")
        lines = ["the film is good .", HOSTILE, "a film\tvery dull goods ."]
        (folder / "texts.txt").write_text("\n\n".join(lines) + "\n")

    return Material(once(make, "report", dense))
