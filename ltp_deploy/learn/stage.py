"""What a stage of training is given, apart from the model and the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WEIGHT_DECAY = 0.01
LOG = "log.jsonl"


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        name: of its folder of checkpoints, and in the log.
        epochs: passes over the data; part of one is possible.
        learning_rate: of the weights.
        threshold_learning_rate: of the thresholds, where the stage learns some.
        batch: sequences in each step.
        seed: of the order of the data and of dropout.
    """

    name: str
    epochs: float
    learning_rate: float
    threshold_learning_rate: float
    batch: int
    seed: int


@dataclass(frozen=True)
class TrainerSettings:
    """How all stages of a run are carried out.

    Attributes:
        work: the folder of the log and of the stages' checkpoints.
        resume: whether to go on from checkpoints that an interrupted run left in `work`.
        arguments: further `TrainingArguments` of transformers, for example {"bf16": True}.
    """

    work: Path
    resume: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """One JSON object a line: the stage, the step, the loss and the tokens alive."""
        return self.work / LOG
