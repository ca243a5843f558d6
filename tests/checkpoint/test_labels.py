"""The names of classes are those that config.json says, for the outputs that it says."""

import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import CheckpointError
from tests.tiny import edit_config, save_tiny


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("bert"), "bert", labels=3)


@pytest.fixture
def checkpoint(three: Path, tmp_path: Path) -> Path:
    """A BERT with three outputs, whose config.json names them `LABEL_0` and so on."""
    return shutil.copytree(three, tmp_path / "checkpoint")


def labels_of(checkpoint: Path, entry: object, **changes: object) -> tuple[str, ...]:
    edit_config(checkpoint, id2label=entry, **changes)
    config = load_encoder(checkpoint).config
    assert config.num_labels == 3
    return config.labels


def test_they_are_in_the_order_of_the_outputs(tmp_path: Path) -> None:
    names = {i: f"class {chr(ord('k') - i)}" for i in range(11)}
    save_tiny(tmp_path, "bert", labels=11, id2label=names)
    assert load_encoder(tmp_path).config.labels == tuple(names.values())


@pytest.mark.parametrize(
    ("entry", "labels"),
    [
        ({"2": "c", "0": "a", "1": "b"}, ("a", "b", "c")),
        ({"0": 1, "1": 0, "2": -1}, ("1", "0", "-1")),
        ({"0": "LABEL_0", "1": "LABEL_1", "2": "pos"}, ("LABEL_0", "LABEL_1", "pos")),
        ({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, ()),
        ({"0": "LABEL_2", "1": "LABEL_1", "2": "LABEL_0"}, ("LABEL_2", "LABEL_1", "LABEL_0")),
        (None, ()),
    ],
)
def test_names_for_all_outputs_are_taken(checkpoint: Path, entry: object, labels: tuple) -> None:
    assert labels_of(checkpoint, entry) == labels


def test_a_number_of_labels_must_be_that_of_the_outputs(checkpoint: Path) -> None:
    three = {"0": "a", "1": "b", "2": "c"}
    assert labels_of(checkpoint, three, num_labels=3) == ("a", "b", "c")
    for names in (three, None):
        with pytest.raises(CheckpointError, match="num_labels is 2, but the classifier has 3 out"):
            labels_of(checkpoint, names, num_labels=2)


def test_another_number_that_transformers_ignores_does_not_matter(checkpoint: Path) -> None:
    assert labels_of(checkpoint, None, _num_labels=2) == ()
    assert labels_of(checkpoint, {"0": "a", "1": "b", "2": "c"}, _num_labels=2) == ("a", "b", "c")
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)
    assert model.config.num_labels == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"1": "a", "2": "b", "3": "c"}, "must be the outputs' numbers, 0 to 2; found 1, 2, 3"),
        ({"0": "a", "2": "b", "3": "c"}, "must be the outputs' numbers, 0 to 2; found 0, 2, 3"),
        ({"a": "0", "b": "1", "c": "2"}, "must be the outputs' numbers, 0 to 2; found a, b, c"),
        ({"0.0": "a", "1.0": "b", "2.0": "c"}, "found 0.0, 1.0, 2.0"),
        ({"00": "a", "1": "b", "2": "c"}, "found 00, 1, 2"),
        (["a", "b", "c"], r"must be an object .*, found \['a', 'b', 'c'\]"),
        ("a", "must be an object .*, found 'a'"),
        ({"0": "a", "1": "b", "2": "a"}, "calls both output 0 and output 2 'a'"),
        ({"0": 1, "1": "1", "2": "2"}, "calls both output 0 and output 1 '1'"),
        ({"0": "a", "1": " a", "2": "c"}, "calls both output 0 and output 1 'a'"),
        ({"0": "a", "1": "", "2": "c"}, "calls output 1 ''"),
        ({"0": "a", "1": "b", "2": " "}, "calls output 2 ' '"),
        ({"0": "a", "1": None, "2": "c"}, "calls output 1 None"),
        ({"0": "a", "1": ["b"], "2": "c"}, r"calls output 1 \['b'\]"),
        ({"0": "LABEL_0", "1": "LABEL_1"}, "names 2 labels, but the classifier has 3 outputs"),
        ({}, "names 0 labels, but the classifier has 3 outputs"),
    ],
    ids=str,
)
def test_names_that_leave_open_what_an_output_is_are_refused(
    checkpoint: Path, entry: object, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        labels_of(checkpoint, entry)


def test_one_output_may_have_a_name(tmp_path: Path) -> None:
    save_tiny(tmp_path, "bert", labels=1, id2label={0: "relevance"})
    assert load_encoder(tmp_path).config.labels == ("relevance",)
