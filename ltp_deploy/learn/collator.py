"""Padded batches of a task's examples, as transformers' `Trainer` takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltp_deploy.data.batch import pack


class Collator:
    """Makes a padded batch of a list of items.

    Attributes:
        pad_token_id: what padding is filled with.
    """

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, Tensor]:
        """The arguments of `Learner.forward` for items of `TaskData`, padded to the longest."""
        batch = pack(*([item[name] for item in items] for name in ("input_ids", "token_type_ids")))
        ids, types, mask = map(torch.from_numpy, batch.padded(self.pad_token_id))
        found = {
            "input_ids": ids,
            "token_type_ids": types,
            "attention_mask": mask.long(),
            "labels": torch.tensor(np.array([item["labels"] for item in items])),
        }
        if "teacher" in items[0]:
            found["teacher"] = torch.tensor(np.array([item["teacher"] for item in items]))
        return found
