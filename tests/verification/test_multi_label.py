"""A model that gives any number of labels, from its checkpoint to the proof of its engine."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.cli import main
from ltp_deploy.data.examples import Examples
from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.verify import Tolerances, verify
from tests.heads.models import a_head
from tests.tiny import random_texts

LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
TEXTS = random_texts(60, seed=1)
TOLERANT = Tolerances(max_logit_difference=9.0, max_flips=100.0)


@pytest.fixture(scope="module")
def checkpoint(checkpoint_of: Callable[..., Path]) -> Path:
    return checkpoint_of(
        "bert",
        "absolute",
        labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        problem_type="multi_label_classification",
    )


@pytest.fixture(scope="module")
def exact(checkpoint: Path, bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(checkpoint)


def labelled(bundle: Path) -> Examples:
    """The texts with the labels that this bundle gives them."""
    labels = load(bundle)(TEXTS).labels
    assert labels is not None
    return Examples(TEXTS, list(labels))


def test_the_labels_are_those_above_zero(exact: Path) -> None:
    engine = load(exact)
    result = engine(TEXTS)
    assert engine.manifest.model.head == "multi_label"
    assert result.labels == [
        [name for name, logit in zip(LABELS, row, strict=True) if logit > 0]
        for row in result.logits
    ]
    assert len({len(labels) for labels in result.labels}) > 2


def test_an_exact_engine_keeps_every_set(checkpoint: Path, exact: Path) -> None:
    result = verify(exact, checkpoint, labelled(exact))
    assert (result.logits.flips, result.failures) == (0, [])
    assert result.scores.keys() == {"f1-micro %", "f1-macro %"}
    assert result.scores["f1-micro %"] == {"oracle": 100, "engine": 100, "dense": ANY}
    judged = verify(exact, checkpoint, labelled(exact), tolerances=Tolerances(max_drop=0)).gates
    assert {"drop of f1-micro %", "drop of f1-macro %"} < {gate.what for gate in judged}


@pytest.mark.slow
def test_each_set_that_int8_changes_is_a_flip(
    checkpoint: Path, exact: Path, bundle_of: Callable[..., Path]
) -> None:
    """No text's largest logit need change for that."""
    coarse = bundle_of(checkpoint, precision="int8-dynamic")
    found, expected = load(coarse)(TEXTS).logits, load(exact)(TEXTS).logits
    changed = ((found > 0) != (expected > 0)).any(1)
    assert 0 < changed.sum() != (found.argmax(1) != expected.argmax(1)).sum()
    result = verify(coarse, checkpoint, labelled(exact), tolerances=TOLERANT)
    assert result.logits.flips == changed.sum()
    both = ((found > 0) & (expected > 0)).sum()
    f1 = 100 * 2 * both / ((found > 0).sum() + (expected > 0).sum())
    assert result.scores["f1-micro %"]["engine"] == pytest.approx(f1)
    assert result.scores["f1-micro %"]["oracle"] == 100


def test_the_search_for_int8_layers_holds_the_metric_that_loses_most(
    checkpoint: Path, exact: Path
) -> None:
    """Which of micro and macro F1 that is depends on the labels."""
    head = a_head("multi_label")
    targets = load(exact)(TEXTS).logits > 0
    scores = head.scores(np.where(targets, 1.0, -1.0), targets)
    assert scores == {"f1-micro %": 100, "f1-macro %": ANY}
    assert head.scores(np.where(targets, 1.0, -1.0), targets, "accuracy") == {"accuracy %": 100}


def test_the_command_line_gives_lists_and_reads_columns(
    checkpoint: Path, exact: Path, tmp_path: Path
) -> None:
    printed = CliRunner().invoke(main, ["run", str(exact)], input="\n".join(TEXTS)).stdout
    answers = [json.loads(line) for line in printed.splitlines()]
    assert [answer["labels"] for answer in answers] == load(exact)(TEXTS).labels

    data = tmp_path / "data.csv"
    flags = (np.array([answer["logits"] for answer in answers]) > 0).astype(int)
    rows = [f"{text},{','.join(map(str, row))}" for text, row in zip(TEXTS, flags, strict=True)]
    data.write_text("\n".join([f"comment_text,{','.join(LABELS)}", *rows]) + "\n")
    line = ["verify", str(exact), "--against", str(checkpoint), "--data", str(data), "--json"]
    line += ["--label-column", ",".join(reversed(LABELS)), "--metric", "f1-macro"]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["scores"].keys() == {"f1-macro %"}
    assert found["scores"]["f1-macro %"]["engine"] == pytest.approx(100)
