"""transformers' `Trainer`, told how a stage's parameters learn and what it writes down.

Import this where it is needed only: transformers takes seconds, and its trainer needs accelerate.
"""

# mypy: allow-subclassing-any

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm
from transformers import Trainer, TrainerCallback

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.model import parameter_groups
from ltp_deploy.learn.stage import WEIGHT_DECAY, Stage


class StageTrainer(Trainer):
    """A `Trainer` with the learning rates of a stage, which stops where the loss is no number."""

    optimizer: Any

    def __init__(self, stage: Stage, **options: Any):
        self.stage = stage
        super().__init__(**options)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimizer that the training arguments name, with `parameter_groups`."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            stage = self.stage
            groups = parameter_groups(
                self.model, stage.learning_rate, stage.threshold_learning_rate, WEIGHT_DECAY
            )
            self.optimizer = kind(groups, **options)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """The model's loss.

        Raises:
            LtpError: it is infinite or NaN.
        """
        loss = super().compute_loss(model, inputs, *args, **options)
        first = loss[0] if isinstance(loss, tuple) else loss
        if not torch.isfinite(first).all():
            raise LtpError(
                f"stage {self.stage.name}: the loss is no number after {self.state.global_step} "
                "steps; lower the learning rate, or lambda, or look for odd labels"
            )
        return loss


class StageLog(TrainerCallback):
    """Writes the log of a stage to a file, and shows a progress bar.

    transformers' own callbacks print to standard output, which belongs to the command's result.
    """

    def __init__(self, stage: str, path: Path):
        self.stage = stage
        self.path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.bar = tqdm(total=state.max_steps, desc=self.stage, disable=None)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        line = {"stage": self.stage, "step": state.global_step, **(logs or {})}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if "loss" in line:
            self.bar.set_postfix(loss=f"{line['loss']:.3f}")

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.bar.close()
