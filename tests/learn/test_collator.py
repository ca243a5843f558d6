"""Padded batches for training."""

import numpy as np
import pytest

from ltp_deploy.learn.collator import Collator
from ltp_deploy.tune.data import TaskData
from tests.answers import random_batch


def test_the_collator_pads_sequences_on_the_right() -> None:
    data = TaskData(random_batch((4, 1)), np.array([1.5, -2.0]))
    data.teacher = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    batch = Collator(pad_token_id=3)([data[0], data[1]])
    assert batch["input_ids"].shape == (2, 4)
    assert batch["input_ids"][1, 1:].tolist() == [3, 3, 3]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [1.5, -2.0]
    assert batch["teacher"].tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]
