"""transformers' `Trainer`, told how a stage's parameters learn and what it writes down.

Import this where it is needed only: transformers takes seconds, and its trainer needs accelerate.
"""

# mypy: allow-subclassing-any

from __future__ import annotations

import json
from collections import deque
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback

from ltp_deploy.errors import LtpError
from ltp_deploy.learn.model import parameter_groups
from ltp_deploy.learn.stage import WEIGHT_DECAY, Stage
from ltp_deploy.progress import STDERR, Output, Progress


class Recent:
    """What the last batches of a training were like.

    Args:
        batches: how many of them count.
    """

    def __init__(self, batches: int):
        # of each batch: its loss, sequences, real tokens, and tokens alive in the mean over layers
        self._batches: deque[tuple[float, ...]] = deque(maxlen=batches)

    def add(self, loss: Tensor, kept: Tensor, real: Tensor) -> float:
        """Count a batch; on a GPU this is one host sync.

        Args:
            loss: of the batch, one number or one from each device.
            kept: [B, L], see `Learner.forward`.
            real: [B, n] integers, 0 for padding.

        Returns:
            The loss.
        """
        numbers = (loss.detach().mean(), real.sum(), kept.detach().float().mean(1).sum())
        mean, tokens, alive = torch.stack([number.float() for number in numbers]).tolist()
        self._batches.append((mean, len(kept), tokens, alive))
        return mean

    @property
    def loss(self) -> float:
        """The mean over the batches."""
        return sum(batch[0] for batch in self._batches) / len(self._batches)

    @property
    def alive(self) -> tuple[float, float]:
        """How many tokens of a sequence are alive after a layer, in the mean over sequences and all
        layers, and the mean length of a sequence. A soft mask counts as the share that it keeps."""
        sequences, tokens, alive = (sum(batch[i] for batch in self._batches) for i in (1, 2, 3))
        return alive / sequences, tokens / sequences


class StageTrainer(Trainer):
    """A `Trainer` with the learning rates of a stage, which stops where the loss is no number."""

    optimizer: Any

    def __init__(self, stage: Stage, log: Path, **options: Any):
        self.stage = stage
        super().__init__(**options)
        self.recent = Recent(self.args.logging_steps * self.args.gradient_accumulation_steps)
        self.add_callback(StageLog(stage.name, log, self.recent))

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

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, **options: Any
    ) -> Any:
        """The model's loss.

        Raises:
            LtpError: it is infinite or NaN.
        """
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **options)
        if not isfinite(self.recent.add(loss, outputs["kept"], inputs["attention_mask"])):
            raise LtpError(
                f"stage {self.stage.name}: the loss is no number after {self.state.global_step} "
                "steps; lower the learning rate, or lambda, or look for odd labels"
            )
        return (loss, outputs) if return_outputs else loss


class StageLog(TrainerCallback):
    """Writes the log of a stage to a file, and shows its progress.

    transformers' own callbacks print to standard output, which belongs to the command's result.

    Args:
        stage: its name.
        path: the file, of one JSON object a line.
        recent: the batches since the line before.
        output: where the progress is shown.
    """

    def __init__(self, stage: str, path: Path, recent: Recent, output: Output = STDERR):
        self.stage = stage
        self.path = path
        self.recent = recent
        self.output = output

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.progress = Progress(
            self.stage, state.max_steps, initial=state.global_step, output=self.output
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        alive, length = self.recent.alive
        self.progress.tell(
            epoch=f"{state.epoch:.1f} of {args.num_train_epochs:g}",
            loss=f"{self.recent.loss:.3f}",
            tokens_alive=f"{alive:.1f} of {length:.1f}",
        )
        self.progress.update(state.global_step - self.progress.count)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        line = {"stage": self.stage, "step": state.global_step, **(logs or {})}
        if "loss" in line:  # the summary at the end has none
            line["tokens_alive"], line["tokens"] = (round(n, 2) for n in self.recent.alive)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self.progress.close()
