"""The probabilities above which labels hold are those that config.json says, or a user."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.new_head import NewHead
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.errors import CheckpointError
from tests.tiny import edit_config, save_tiny

SETS = "multi_label_classification"
NAMES = {"0": "toxic", "1": "threat", "2": "insult"}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bert")
    return save_tiny(directory, "bert", labels=3, id2label=NAMES, problem_type=SETS)


@pytest.fixture
def checkpoint(three: Path, tmp_path: Path) -> Path:
    """A BERT with three labels of which a text may have any."""
    return shutil.copytree(three, tmp_path / "checkpoint")


def thresholds_of(checkpoint: Path, entry: object, given: Any = None) -> tuple[float, ...]:
    edit_config(checkpoint, label_thresholds=entry)
    return load_encoder(checkpoint, label_thresholds=given).config.label_thresholds


@pytest.mark.parametrize(
    ("entry", "thresholds"),
    [
        (None, ()),
        ([], ()),
        ({}, ()),
        ([0.5, 0.5, 0.5], ()),
        ({"threat": 0.5}, ()),
        ([0.3, 0.5, 0.7], (0.3, 0.5, 0.7)),
        ({"insult": 0.7, "toxic": 0.3}, (0.3, 0.5, 0.7)),
        ({"Threat": 0.9}, (0.5, 0.9, 0.5)),
    ],
)
def test_they_are_by_name_or_in_order(
    checkpoint: Path, entry: object, thresholds: tuple[float, ...]
) -> None:
    assert load_encoder(checkpoint).config.label_thresholds == ()
    assert thresholds_of(checkpoint, entry) == thresholds


def test_labels_without_names_have_numbers(checkpoint: Path) -> None:
    edit_config(checkpoint, id2label=None)
    assert thresholds_of(checkpoint, {"2": 0.7, "LABEL_0": 0.3}) == (0.3, 0.5, 0.7)
    with pytest.raises(CheckpointError, match="names '3', the model's labels are 0 to 2"):
        thresholds_of(checkpoint, {"3": 0.7})


@pytest.mark.parametrize(
    ("given", "thresholds"),
    [
        (None, (0.3, 0.5, 0.7)),
        ({"threat": 0.2}, (0.3, 0.2, 0.7)),
        ({"toxic": 0.5}, (0.5, 0.5, 0.7)),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
        ((), ()),
    ],
)
def test_those_that_are_given_come_first(
    checkpoint: Path, given: Any, thresholds: tuple[float, ...]
) -> None:
    assert thresholds_of(checkpoint, [0.3, 0.5, 0.7], given) == thresholds


KNOWN = "toxic, threat, insult"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"hate": 0.3}, f"names 'hate', the model's labels are {KNOWN}"),
        ({"1": 0.3}, f"names '1', the model's labels are {KNOWN}"),
        ({"toxic": 0.3, "TOXIC": 0.4}, "has two thresholds for output 0, 'TOXIC'"),
        ({"toxic": 1.0}, "the threshold of 'toxic' must be a probability between 0 and 1, found 1"),
        ({"toxic": 0}, "must be a probability between 0 and 1, found 0"),
        ({"toxic": -0.1}, "found -0.1"),
        ({"toxic": float("nan")}, "found nan"),
        ({"toxic": "0.3"}, "found '0.3'"),
        ({"toxic": True}, "found True"),
        ({"toxic": None}, "found None"),
        ([0.3, 2, 0.3], "the threshold of output 1 must be a probability between 0 and 1, found 2"),
        ([0.3, 0.3], "has 2 thresholds, but the classifier has 3 outputs; give one for each"),
        ([0.3] * 4, "has 4 thresholds, but the classifier has 3 outputs"),
        (0.3, r"must be an object .*, or a list .*, found 0.3"),
        ("toxic", "must be an object .*, found 'toxic'"),
    ],
    ids=str,
)
def test_what_leaves_a_threshold_open_is_refused(
    checkpoint: Path, entry: object, message: str
) -> None:
    with pytest.raises(CheckpointError, match=f"config.json: label_thresholds.*{message}"):
        thresholds_of(checkpoint, entry)
    with pytest.raises(CheckpointError, match=f"^label_thresholds.*{message}"):
        thresholds_of(checkpoint, None, entry)


@pytest.mark.parametrize("kind", [None, "single_label_classification"])
def test_a_model_of_another_kind_has_none(checkpoint: Path, kind: str | None) -> None:
    edit_config(checkpoint, problem_type=kind)
    message = r"is for models that give any number of labels \(problem_type multi_.* gives classes"
    for entry in ({"toxic": 0.3}, [0.5, 0.5, 0.5]):
        with pytest.raises(CheckpointError, match=message):
            thresholds_of(checkpoint, entry)
    assert thresholds_of(checkpoint, []) == ()


@pytest.mark.parametrize(
    ("names", "written"),
    [(NAMES, {"toxic": 0.3, "threat": 0.5, "insult": 0.7}), (None, [0.3, 0.5, 0.7])],
)
def test_they_are_written_back(checkpoint: Path, names: Any, written: Any, tmp_path: Path) -> None:
    edit_config(checkpoint, id2label=names, label_thresholds=[0.9, 0.9, 0.9])
    encoder = load_encoder(checkpoint).with_label_thresholds((0.3, 0.5, 0.7))
    save_encoder(encoder, checkpoint, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["label_thresholds"] == written
    assert load_encoder(tmp_path / "out").config == encoder.config
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")


def test_where_they_are_all_a_half_nothing_is_written(checkpoint: Path, tmp_path: Path) -> None:
    edit_config(checkpoint, label_thresholds=[0.9, 0.9, 0.9])
    encoder = load_encoder(checkpoint, label_thresholds=())
    save_encoder(encoder, checkpoint, tmp_path / "out")
    assert "label_thresholds" not in json.loads((tmp_path / "out" / "config.json").read_text())


def test_a_new_head_has_none(checkpoint: Path, tmp_path: Path) -> None:
    edit_config(checkpoint, label_thresholds={"toxic": 0.3})
    head = NewHead(SETS, 2, ("good", "bad"))
    encoder = load_encoder(checkpoint, new_head=head)
    assert encoder.config.label_thresholds == ()
    save_encoder(encoder, checkpoint, tmp_path / "out", head)
    assert "label_thresholds" not in json.loads((tmp_path / "out" / "config.json").read_text())
