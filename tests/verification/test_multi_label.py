"""A model that gives any number of labels, from its checkpoint to the proof of its engine."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.backends.table import read_bundle
from ltp_deploy.builder.draft import Measured, draft_build
from ltp_deploy.cli import main
from ltp_deploy.data.examples import Examples
from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.source import as_built, load_source
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


THRESHOLDS = {"toxic": 0.9, "insult": 0.2}


@pytest.fixture(scope="module")
def stricter(checkpoint: Path, bundle_of: Callable[..., Path]) -> Path:
    """A bundle with thresholds of its own."""
    return bundle_of(checkpoint, survivors=False, label_thresholds=THRESHOLDS)


def test_a_bundle_may_have_other_thresholds(exact: Path, stricter: Path) -> None:
    engine = load(stricter)
    logits = engine(TEXTS).logits
    np.testing.assert_allclose(logits, load(exact)(TEXTS).logits, atol=1e-5)
    chance = 1 / (1 + np.exp(-logits.astype(float)))
    wanted = [
        [n for n, p in zip(LABELS, row, strict=True) if p > THRESHOLDS.get(n, 0.5)]
        for row in chance
    ]
    assert engine(TEXTS).labels == wanted
    assert [answer.label for answer in engine.predict(TEXTS)] == wanted
    assert wanted != load(exact)(TEXTS).labels
    assert engine.manifest.model.label_thresholds == (0.9, 0.5, 0.5, 0.5, 0.2, 0.5)
    assert engine.manifest.options.label_thresholds == (0.9, 0.5, 0.5, 0.5, 0.2, 0.5)


def test_a_bundle_is_judged_by_its_own_thresholds(
    checkpoint: Path, exact: Path, stricter: Path
) -> None:
    result = verify(stricter, checkpoint, labelled(stricter))
    assert (result.logits.flips, result.failures) == (0, [])
    assert result.survivors_from_reference_build
    assert result.scores["f1-micro %"] == {"oracle": 100, "engine": 100, "dense": ANY}
    assert verify(stricter, checkpoint, labelled(exact)).scores["f1-micro %"]["engine"] < 100
    assert result.overrides == [
        "the threshold of label toxic is 0.9 in the bundle, 0.5 in the checkpoint",
        "the threshold of label insult is 0.2 in the bundle, 0.5 in the checkpoint",
    ]
    assert verify(exact, checkpoint, labelled(exact)).overrides == []


def test_a_variant_of_a_bundle_has_its_thresholds(checkpoint: Path, stricter: Path) -> None:
    manifest = read_bundle(stricter)
    draft = draft_build(checkpoint, replace(manifest.options, survivors=True), Measured())
    assert draft.encoder.config == manifest.model
    plain = draft_build(checkpoint, replace(manifest.options, label_thresholds=()), Measured())
    assert plain.encoder.config.label_thresholds == ()


def test_thresholds_of_the_command_line_are_shown(checkpoint: Path, tmp_path: Path) -> None:
    bundle = str(tmp_path / "bundle")
    line = ["build", str(checkpoint), "--target", "null", "-o", bundle, "--label-thresholds"]
    result = CliRunner().invoke(main, [*line, "toxic=0.9, insult=0.25"])
    assert result.exit_code == 0, result.output
    words = "labels hold above toxic 0.9, severe_toxic 0.5, obscene 0.5, threat 0.5, insult 0.25"
    assert words in result.output
    assert words in CliRunner().invoke(main, ["inspect", bundle]).output
    shown = json.loads(CliRunner().invoke(main, ["inspect", bundle, "--json"]).output)
    assert shown["model"]["label_thresholds"] == [0.9, 0.5, 0.5, 0.5, 0.25, 0.5]
    result = CliRunner().invoke(main, [*line, "hate=0.9", "--force"])
    assert result.exit_code == 1
    assert "label_thresholds names 'hate', the model's labels are toxic, " in result.output


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


def test_the_checkpoint_as_it_was_built_has_the_bundles_thresholds(
    checkpoint: Path, stricter: Path
) -> None:
    engine = load(stricter)
    encoder, _ = as_built(load_source(engine, checkpoint), engine)
    assert encoder.config == engine.config
