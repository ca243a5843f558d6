"""One stage of training, on transformers' `Trainer`."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from ltp_deploy.errors import needs
from ltp_deploy.learn.collator import Collator
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.stage import WEIGHT_DECAY, Stage, TrainerSettings
from ltp_deploy.tune.data import TaskData

SAVE_STEPS = 50  # a checkpoint is saved after so many steps or after an epoch, the longer of both


def fit(stage: Stage, model: Learner, data: TaskData, settings: TrainerSettings) -> None:
    """Train `model` in place.

    Its checkpoints go into a folder in `settings.work` that has the stage's name.

    Raises:
        LtpError: accelerate is not installed, or the loss became infinite or NaN.
    """
    with needs("learning needs accelerate", "learn"):
        import accelerate  # noqa: F401
        from transformers import PrinterCallback, set_seed
        from transformers.trainer_utils import get_last_checkpoint

        from ltp_deploy.learn.stage_trainer import StageTrainer

    set_seed(stage.seed)
    folder = settings.work / stage.name
    folder.mkdir(parents=True, exist_ok=True)
    trainer = StageTrainer(
        stage,
        settings.log,
        model=model,
        args=training_arguments(stage, len(data), settings),
        train_dataset=data,
        data_collator=Collator(model.encoder.config.pad_token_id),
    )
    trainer.remove_callback(PrinterCallback)
    remove_incomplete(folder)
    last = get_last_checkpoint(str(folder)) if settings.resume else None
    trainer.train(resume_from_checkpoint=last)


def remove_incomplete(folder: Path) -> None:
    """Remove the Trainer's checkpoints in a folder whose saving was interrupted: the state of the
    training is written last."""
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / "trainer_state.json").read_bytes())
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)


def training_arguments(stage: Stage, rows: int, settings: TrainerSettings) -> Any:
    """transformers' `TrainingArguments` of a stage on a data set of so many rows."""
    from transformers import TrainingArguments

    steps = max(1, rows // stage.batch)
    return TrainingArguments(
        output_dir=str(settings.work / stage.name),
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=stage.batch,
        learning_rate=stage.learning_rate,
        weight_decay=WEIGHT_DECAY,
        seed=stage.seed,
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
        **settings.arguments,
    )


def _by_length(kind: Any) -> dict[str, Any]:
    """The argument for batches of similar lengths; transformers 5 renamed it."""
    names = {field.name for field in fields(kind)}
    if "train_sampling_strategy" in names:
        return {"train_sampling_strategy": "group_by_length"}
    return {"group_by_length": True}
