"""Training data: cutting, padding, labels."""

import numpy as np
import pytest

from ltp_deploy.learn.data import Collator, TaskData
from tests.answers import random_batch


def test_task_data_gives_each_sequence_with_its_label() -> None:
    batch = random_batch((4, 1, 7), types=2)
    data = TaskData(batch, np.array([1, 0, 1]))
    assert len(data) == 3
    assert data[2]["input_ids"].tolist() == batch.input_ids[5:].tolist()
    assert data[1]["labels"] == 0


def test_the_collator_pads_sequences_on_the_right() -> None:
    data = TaskData(random_batch((4, 1)), np.array([1.5, -2.0]))
    data.teacher = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    batch = Collator(pad_token_id=3)([data[0], data[1]])
    assert batch["input_ids"].shape == (2, 4)
    assert batch["input_ids"][1, 1:].tolist() == [3, 3, 3]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [1.5, -2.0]
    assert batch["teacher"].tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]
