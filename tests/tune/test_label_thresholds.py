"""Thresholds of labels: chosen on the one part of the data, judged on the other."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.metrics import macro_f1, micro_f1
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.heads.multi_label import best_thresholds
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.tuned import describe
from ltp_deploy.tune.job import TuneJob, conventions_of, read_parts, tune_checkpoint
from ltp_deploy.tune.search import Tuned
from tests.tiny import random_texts

LABELS = ("toxic", "threat", "insult")
TEXTS, OTHERS = random_texts(60, seed=5), random_texts(50, seed=6)


@pytest.fixture(scope="module")
def checkpoint(checkpoint_of: Callable[..., Path]) -> Path:
    return checkpoint_of(
        "bert",
        None,
        labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        problem_type="multi_label_classification",
    )


def logits_of(checkpoint: Path, texts: list[str]) -> np.ndarray:
    """Of the oracle, without pruning."""
    encoder = load_encoder(checkpoint)
    dense = encoder.with_policy(PrunePolicy.dense(encoder.config.layers))
    return run_oracle(dense, TransformersTokenizer(checkpoint, encoder.config)(texts)).logits


@pytest.fixture(scope="module")
def job(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> TuneJob:
    """Labels that hold above other logits than 0, mostly: 1, -2 and 0."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name, texts in (("search", TEXTS), ("other", OTHERS)):
        logits = logits_of(checkpoint, texts)
        flags = logits + random.normal(0, 0.5, logits.shape) > (1, -2, 0)
        rows = zip(texts, flags.tolist(), strict=True)
        lines = [
            json.dumps({"text": t, "labels": [n for n, f in zip(LABELS, row, strict=True) if f]})
            for t, row in rows
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return TuneJob(
        checkpoint,
        str(folder / "search.jsonl"),
        folder / "out",
        30.0,
        str(folder / "other.jsonl"),
        choose_label_thresholds=True,
    )


@pytest.fixture(scope="module")
def tuned(job: TuneJob) -> Tuned:
    return tune_checkpoint(job)


def test_they_are_those_of_the_search_data_and_are_written(job: TuneJob, tuned: Tuned) -> None:
    search, _, _ = read_parts(job, load_encoder(job.checkpoint))
    expected = best_thresholds(logits_of(job.checkpoint, TEXTS), search.labels)
    chosen = tuned.label_thresholds
    assert chosen is not None
    assert tuple(chosen.thresholds) == LABELS
    assert tuple(chosen.thresholds.values()) == pytest.approx(expected, abs=1e-6)
    assert chosen.thresholds["toxic"] > 0.5 > chosen.thresholds["threat"]
    config = json.loads((job.output / "config.json").read_text())
    assert config["label_thresholds"] == chosen.thresholds
    found = load_encoder(job.output).config
    assert found.label_thresholds == tuple(chosen.thresholds.values())
    assert found.policy == tuned.chosen.policy


def test_they_are_judged_on_the_other_data(job: TuneJob, tuned: Tuned) -> None:
    _, other, _ = read_parts(job, load_encoder(job.checkpoint))
    logits, chosen = logits_of(job.checkpoint, OTHERS), tuned.label_thresholds
    assert chosen is not None
    cuts = [np.log(p / (1 - p)) for p in chosen.thresholds.values()]
    for scores, found in ((chosen.before, logits > 0), (chosen.after, logits > cuts)):
        assert scores == {
            "f1-micro %": pytest.approx(100 * micro_f1(found, other.labels)),
            "f1-macro %": pytest.approx(100 * macro_f1(found, other.labels)),
        }
    assert chosen.after["f1-macro %"] > chosen.before["f1-macro %"] + 5
    assert tuned.estimate.dense.score == pytest.approx(chosen.after["f1-micro %"])


def test_the_report_and_tuned_json_say_them(job: TuneJob, tuned: Tuned) -> None:
    written = json.loads((job.output / "tuned.json").read_text())["label_thresholds"]
    chosen = tuned.label_thresholds
    assert chosen is not None
    assert written == {
        "thresholds": chosen.thresholds,
        "before": chosen.before,
        "after": chosen.after,
    }
    text = describe(tuned, job.output)
    assert f"labels hold above toxic {chosen.thresholds['toxic']:.4g}, threat " in text
    row = next(line for line in text.splitlines() if line.startswith("f1-macro %"))
    scores = chosen.before["f1-macro %"], chosen.after["f1-macro %"]
    assert row.split()[2:] == [f"{score:.2f}" for score in scores]


def test_without_the_option_they_stay(job: TuneJob, tmp_path: Path) -> None:
    again = replace(
        job,
        output=tmp_path / "out",
        label_thresholds=(0.7, 0.2, 0.5),
        choose_label_thresholds=False,
    )
    tuned = tune_checkpoint(again)
    assert tuned.label_thresholds is None
    assert load_encoder(tmp_path / "out").config.label_thresholds == (0.7, 0.2, 0.5)
    assert "labels hold above" not in describe(tuned, tmp_path)


def test_those_of_a_bundle_are_conventions_of_it(
    checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint, "null", survivors=False, label_thresholds={"threat": 0.1})
    assert conventions_of(bundle, checkpoint)["label_thresholds"] == (0.5, 0.1, 0.5)


def test_without_labels_none_are_chosen(job: TuneJob, tmp_path: Path) -> None:
    with pytest.raises(LtpError, match="--label-thresholds needs labels, which the data lacks or"):
        tune_checkpoint(replace(job, output=tmp_path / "out", unlabelled=True))


def test_a_model_of_one_class_has_none(bert_checkpoint: Path, texts: Path, tmp_path: Path) -> None:
    line = ["tune", str(bert_checkpoint), "--data", str(texts), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, [*line, "--label-thresholds"])
    assert result.exit_code == 1
    assert "--label-thresholds is for models that give any number of labels" in result.output
    assert "this one gives classes" in result.output
