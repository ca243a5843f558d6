"""What a model does on given data: its score, and how much work it takes."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.encoder import Encoder
from ltp_deploy.learn.data import TaskData
from ltp_deploy.pruning.flops import authors_ratio
from ltp_deploy.validation.compare import score
from ltp_deploy.validation.oracle_run import run_oracle


@dataclass(frozen=True)
class Point:
    """One operating point.

    Attributes:
        metric: name of the score; `score` in its unit.
        flops_ratio: how many times fewer multiply-adds than dense, by the authors' count.
        alive: mean tokens alive entering layer 0, then after each layer.
    """

    metric: str
    score: float
    flops_ratio: float
    alive: list[float]


def evaluate(encoder: Encoder, data: TaskData) -> Point:
    """Score and work of an encoder under its policy, by the oracle."""
    run = run_oracle(encoder, data.batch, title="evaluate")
    metric, value = score(run.logits, data.labels)
    alive = run.profile.alive
    return Point(metric, value, authors_ratio(encoder.config, alive), alive.mean(0).tolist())
