"""Training data: cutting, padding, labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.learn.collator import Collator
from ltp_deploy.tune.data import TaskData
from tests.answers import random_batch


def test_task_data_gives_each_sequence_with_its_label() -> None:
    batch = random_batch((4, 1, 7), types=2)
    data = TaskData(batch, np.array([1, 0, 1]))
    assert len(data) == 3
    assert data[2]["input_ids"].tolist() == batch.input_ids[5:].tolist()
    assert data[1]["labels"] == 0


def test_labels_mean_the_same_in_all_parts_of_the_data(bert_checkpoint: Path) -> None:
    config = load_encoder(bert_checkpoint).config
    config = replace(config, num_labels=3, labels=("-1", "0", "1"))
    tokenizer = TransformersTokenizer(bert_checkpoint, config)
    parts = [Examples(["a film", "bad", "good"], ["0", "1", "2"]), Examples(["bad"] * 2, [0, 1])]
    train, dev = TaskData.read(parts, tokenizer, config)
    assert train.labels.tolist() == [0, 1, 2]
    assert dev.labels.tolist() == [0, 1]  # alone they would be names, and the outputs 1 and 2
    assert dev.batch.lengths.tolist() == train.batch.lengths[[1, 1]].tolist()
    (alone,) = TaskData.read(parts[1:], tokenizer, config)
    assert alone.labels.tolist() == [1, 2]
    with pytest.raises(LtpError, match=r"row 5 has the label '3', .*; rows of --dev are counted"):
        TaskData.read([parts[0], Examples(["bad"] * 2, [0, "3"])], tokenizer, config)


def test_the_collator_pads_sequences_on_the_right() -> None:
    data = TaskData(random_batch((4, 1)), np.array([1.5, -2.0]))
    data.teacher = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    batch = Collator(pad_token_id=3)([data[0], data[1]])
    assert batch["input_ids"].shape == (2, 4)
    assert batch["input_ids"][1, 1:].tolist() == [3, 3, 3]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [1.5, -2.0]
    assert batch["teacher"].tolist() == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]
