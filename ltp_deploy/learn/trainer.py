"""One stage of training, on transformers' `Trainer`."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ltp_deploy.errors import LtpError, needs
from ltp_deploy.learn.data import Collator, TaskData
from ltp_deploy.learn.model import Learner, parameter_groups

WEIGHT_DECAY = 0.01
LOG = "log.jsonl"
SAVE_STEPS = 50  # at least so many between checkpoints, and an epoch


@dataclass(frozen=True)
class Stage:
    """What one call of `fit` does; learning rates of the weights and of the thresholds."""

    name: str
    epochs: float
    learning_rate: float
    threshold_learning_rate: float


def fit(
    stage: Stage,
    model: Learner,
    data: TaskData,
    work: Path,
    batch: int,
    seed: int,
    resume: bool = False,
    arguments: dict[str, Any] | None = None,
) -> None:
    """Train `model` in place.

    Args:
        work: the stage's checkpoints go into a folder in it, from which `resume` goes on.
        arguments: more of transformers' `TrainingArguments`, say bf16.

    Raises:
        LtpError: accelerate is missing, or the loss is no number any more.
    """
    with needs("learning needs accelerate", "learn"):
        import accelerate  # noqa: F401
        from transformers import (
            PrinterCallback,
            Trainer,
            TrainerCallback,
            TrainingArguments,
            set_seed,
        )
        from transformers.trainer_utils import get_last_checkpoint

    class LtpTrainer(Trainer):
        optimizer: Any

        def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
            if self.optimizer is None:
                kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
                groups = parameter_groups(
                    self.model, stage.learning_rate, stage.threshold_learning_rate, WEIGHT_DECAY
                )
                self.optimizer = kind(groups, **options)
            return self.optimizer

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
            loss = super().compute_loss(model, inputs, *args, **options)
            first = loss[0] if isinstance(loss, tuple) else loss
            if not torch.isfinite(first).all():
                raise LtpError(
                    f"stage {stage.name}: the loss is no number after {self.state.global_step} "
                    "steps; lower the learning rate, or lambda, or look for odd labels"
                )
            return loss

    class Log(TrainerCallback):
        """Keeps the log of the run beside its checkpoints, and shows where it is; transformers'
        own callbacks write to standard output, which belongs to the result."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.bar = tqdm(total=state.max_steps, desc=stage.name, disable=None)

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.bar.update(state.global_step - self.bar.n)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any
        ) -> None:
            line = {"stage": stage.name, "step": state.global_step, **(logs or {})}
            with (work / LOG).open("a") as file:
                file.write(json.dumps(line) + "\n")
            if "loss" in line:
                self.bar.set_postfix(loss=f"{line['loss']:.3f}")

        def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            self.bar.close()

    set_seed(seed)
    folder = work / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    steps = max(1, len(data) // batch)
    trainer = LtpTrainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=stage.epochs,
            per_device_train_batch_size=batch,
            learning_rate=stage.learning_rate,
            weight_decay=WEIGHT_DECAY,
            seed=seed,
            save_strategy="steps",
            save_steps=max(SAVE_STEPS, steps),
            save_total_limit=1,
            logging_steps=max(1, steps // 10),
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["labels"],
            use_cpu=not torch.cuda.is_available(),
            dataloader_pin_memory=torch.cuda.is_available(),
            **_by_length(TrainingArguments),
            **(arguments or {}),
        ),
        train_dataset=data,
        data_collator=Collator(model.encoder.config.pad_token_id),
        callbacks=[Log()],
    )
    trainer.remove_callback(PrinterCallback)
    last = get_last_checkpoint(str(folder)) if resume else None
    trainer.train(resume_from_checkpoint=last)


def _by_length(kind: Any) -> dict[str, Any]:
    """The argument for batches of similar lengths; transformers 5 renamed it."""
    names = {field.name for field in fields(kind)}
    if "train_sampling_strategy" in names:
        return {"train_sampling_strategy": "group_by_length"}
    return {"group_by_length": True}
