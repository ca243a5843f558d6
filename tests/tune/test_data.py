"""The examples of a task: labels, and parts of the data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
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
    with pytest.raises(LtpError, match=r"row 5 has the label '3', .*; rows of --dev or --test are"):
        TaskData.read([parts[0], Examples(["bad"] * 2, [0, "3"])], tokenizer, config)


def task(count: int) -> TaskData:
    """Sequences of 1 to 9 tokens, whose labels are their numbers."""
    return TaskData(random_batch([i % 9 + 1 for i in range(count)]), np.arange(count), "f1")


def test_two_parts_have_every_example_once() -> None:
    first, second = task(31).divided(12, seed=0)
    assert (len(first), len(second)) == (12, 19)
    assert sorted([*first.labels, *second.labels]) == list(range(31))
    assert first.labels.tolist() == sorted(first.labels)
    assert first.labels.tolist() != list(range(12)), "a random part"
    assert first.batch.lengths.tolist() == [i % 9 + 1 for i in first.labels]
    assert first.metric == second.metric == "f1"
    assert task(31).divided(12, seed=0)[0].labels.tolist() == first.labels.tolist()
    assert task(31).divided(12, seed=1)[0].labels.tolist() != first.labels.tolist()


@pytest.mark.parametrize(("tokens", "at_least"), [(1, 1), (40, 1), (40, 12), (1, 12)])
def test_a_sample_has_enough_tokens_and_texts(tokens: int, at_least: int) -> None:
    sample = task(40).sample(tokens, seed=3, at_least=at_least)
    lengths = sample.batch.lengths
    assert len(set(sample.labels)) == len(sample)
    assert lengths.sum() >= tokens
    assert len(sample) >= at_least
    assert len(sample) == at_least or lengths[:-1].sum() < tokens, "and no more"


def test_a_sample_of_little_data_is_all_of_it() -> None:
    sample = task(5).sample(1000, seed=0, at_least=9)
    assert sorted(sample.labels) == list(range(5))


def test_chosen_examples_come_in_the_order_asked_for() -> None:
    chosen = task(9).select(np.array([7, 2]))
    assert chosen.labels.tolist() == [7, 2]
    assert chosen[0]["input_ids"].tolist() == task(9)[7]["input_ids"].tolist()


def queries(sizes: list[int]) -> TaskData:
    """Texts of so many per query, whose labels are the queries' numbers; queries stand mixed."""
    units = np.random.default_rng(4).permutation(np.repeat(np.arange(len(sizes)) * 7, sizes))
    batch = random_batch([i % 9 + 1 for i in range(len(units))])
    return TaskData(batch, units, units=units)


def assert_whole(data: TaskData, parts: list[TaskData]) -> None:
    """Each query of the parts has all of its texts there, and none elsewhere."""
    for part in parts:
        assert part.units.tolist() == part.labels.tolist(), "units go where their texts go"
        for unit in set(part.units.tolist()):
            assert np.sum(part.units == unit) == np.sum(data.units == unit)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sizes", [[5] * 12, [1, 30, 2, 9, 4, 4, 17, 1]])
def test_parts_have_all_texts_of_a_query(sizes: list[int], seed: int) -> None:
    data = queries(sizes)
    half = len(data) // 2
    parts = data.divided(half, seed)
    assert_whole(data, list(parts))
    assert len(parts[0]) + len(parts[1]) == len(data)
    assert not set(parts[0].units.tolist()) & set(parts[1].units.tolist())
    assert abs(len(parts[0]) - half) <= max(sizes) / 2, "as near to half as queries allow"
    order = np.random.default_rng(seed).permutation(len(sizes)) * 7
    assert set(parts[0].units) == set(order[: len(set(parts[0].units))]), "queries are drawn"


def test_two_queries_are_one_for_each_part() -> None:
    for sizes in ([2, 1], [1, 2], [90, 1]):
        parts = queries(sizes).divided((sum(sizes) + 1) // 2, seed=0)
        assert [len(set(part.units)) for part in parts] == [1, 1]


@pytest.mark.parametrize(("tokens", "at_least"), [(1, 1), (60, 1), (1, 12), (1, 15), (1000, 1)])
def test_a_sample_has_all_texts_of_its_queries(tokens: int, at_least: int) -> None:
    data = queries([5] * 8)
    sample = data.sample(tokens, seed=3, at_least=at_least)
    assert_whole(data, [sample])
    lengths = sample.batch.lengths
    assert lengths.sum() >= min(tokens, data.batch.lengths.sum())
    assert len(sample) >= at_least
    assert len(sample) == 5 or lengths[:-5].sum() < tokens or len(sample) - 5 < at_least


def test_texts_that_are_judged_alone_are_drawn_one_by_one() -> None:
    order = np.random.default_rng(5).permutation(31)
    first, second = task(31).divided(12, seed=5)
    assert first.labels.tolist() == sorted(order[:12])
    assert second.labels.tolist() == sorted(order[12:])
    assert task(31).sample(1, seed=5, at_least=7).labels.tolist() == order[:7].tolist()
    assert [len(part) for part in task(4).divided(0, seed=5)] == [0, 4]
    assert task(9).select(np.array([7, 2])).units.tolist() == [7, 2]
