"""Tuning on files: what is read, what is written, what is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import transformers
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.examples import DataOptions
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.model.policy import Mode, PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.tuned import describe
from ltp_deploy.runtime.engine import load
from ltp_deploy.tune import job as job_module
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.job import TuneJob, read_parts, starting_encoder, tune_checkpoint
from ltp_deploy.tune.search import Tuned
from tests.answers import assert_as_oracle, batch_for, pruned_tokens
from tests.rankings import write_groups
from tests.tiny import random_texts, save_tokenizer, write_texts

COUNT = 120  # texts, of which half are searched on


def write_columns(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """texts.tsv has texts alone, labelled.tsv labels too, and test.tsv is other labelled texts."""
    folder = tmp_path_factory.mktemp("tune")
    write_columns(folder / "texts.tsv", "text", random_texts(COUNT, 3))
    write_texts(folder / "labelled.tsv", COUNT, seed=3)
    write_texts(folder / "test.tsv", 50, seed=4)
    return folder


@pytest.fixture(scope="module")
def dense(checkpoint_of: Callable[..., Path]) -> Path:
    return checkpoint_of("bert", None)


@pytest.fixture(scope="module")
def tuned(dense: Path, folder: Path) -> tuple[Path, Tuned]:
    """The dense model tuned on texts without labels, and what the search found."""
    output = folder / "tuned"
    return output, tune_checkpoint(TuneJob(dense, str(folder / "texts.tsv"), output, 12.0))


def test_a_dense_model_is_tuned_without_labels(
    tuned: tuple[Path, Tuned], dense: Path, folder: Path
) -> None:
    output, result = tuned
    assert not result.labelled
    assert (result.searched, result.estimate.texts) == (COUNT // 2, COUNT // 2)
    assert result.dense.score == result.estimate.dense.score == 100.0
    assert 100.0 - result.chosen.point.score <= 12.0
    policy = load_encoder(output).config.policy
    assert policy == result.chosen.policy
    assert policy.prunes
    assert policy.keep_first
    assert {path.name for path in output.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
        "tuned.json",
        "tuned.svg",
    }
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    before, after = load_encoder(dense).state_dict(), load_encoder(output).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_search_and_the_curve_are_written(tuned: tuple[Path, Tuned]) -> None:
    output, result = tuned
    assert json.loads((output / "tuned.json").read_text()) == json.loads(
        json.dumps(result.to_dict())
    )
    picture = ElementTree.parse(output / "tuned.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_texts_that_are_estimated_on_are_not_those_searched_on(
    dense: Path, folder: Path
) -> None:
    job = TuneJob(dense, str(folder / "labelled.tsv"), folder / "nowhere", 1.0)
    search, other, labelled = read_parts(job, starting_encoder(job))
    assert labelled

    def rows(part: Any) -> list[tuple[int, ...]]:
        return [(*item["input_ids"].tolist(), int(item["labels"])) for item in part]

    tokenizer = TransformersTokenizer(dense, load_encoder(dense).config)
    texts = random_texts(COUNT, 3)
    whole = tokenizer(texts)
    labels = [len(text) % 2 for text in texts]
    expected = sorted(
        (*whole.select([i]).input_ids.tolist(), label) for i, label in enumerate(labels)
    )
    assert sorted(rows(search) + rows(other)) == expected, "every row is in one part, once"


def test_the_written_checkpoint_is_read_by_transformers(
    tuned: tuple[Path, Tuned], dense: Path
) -> None:
    texts = random_texts(8, 9)
    logits = []
    for directory in (dense, tuned[0]):
        model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
        tokens = transformers.AutoTokenizer.from_pretrained(directory)(
            texts, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            logits.append(model(**tokens).logits.numpy())
    np.testing.assert_array_equal(*logits)
    assert transformers.AutoConfig.from_pretrained(tuned[0]).ltp["first_token"] == "keep"


def test_the_engine_of_the_written_checkpoint_keeps_what_the_oracle_keeps(
    tuned: tuple[Path, Tuned], bundle_of: Callable[..., Path]
) -> None:
    encoder = load_encoder(tuned[0])
    batch = batch_for(encoder)
    survivors = assert_as_oracle(load(bundle_of(tuned[0])), encoder, batch)
    assert pruned_tokens(batch, survivors) > 10
    assert all(kept[0] == 0 for layers in survivors for kept in layers), "the first token stays"


def test_a_report_says_what_is_estimated(tuned: tuple[Path, Tuned]) -> None:
    output, result = tuned
    found, estimate = " ".join(describe(result, output).split()), result.estimate
    assert f"{output}: the most pruning within 12 points on {COUNT // 2} texts" in found
    assert f"Estimated on {COUNT // 2} texts that it was not chosen on" in found
    assert (
        f"costs {estimate.drop:+.2f} points (95 % interval {estimate.low:+.2f} to "
        f"{estimate.high:+.2f}), and {estimate.changed} answers change" in found
    )
    assert "agreement with the dense model, accuracy %" in found
    assert f"{estimate.pruned.flops_ratio:.2f}x" in found
    assert "guarantee" not in found
    assert "It may be more than 12: more texts narrow the interval" in found


def run(
    model: Path, data: Path, output: Path, max_drop: float = 15.0, **settings: Any
) -> tuple[Tuned, PrunePolicy]:
    """What tuning says, and the policy of the checkpoint that it wrote."""
    result = tune_checkpoint(TuneJob(model, str(data), output, max_drop, **settings))
    return result, load_encoder(output).config.policy


def test_labels_are_used_where_there_are_some(dense: Path, folder: Path, tmp_path: Path) -> None:
    result, _ = run(dense, folder / "labelled.tsv", tmp_path / "a")
    encoder = load_encoder(dense)
    data = TransformersTokenizer(dense, encoder.config)(random_texts(COUNT, 3))
    answers = run_oracle(encoder, data).logits.argmax(1)
    labels = np.array([len(text) % 2 for text in random_texts(COUNT, 3)])
    both = result.dense.score + result.estimate.dense.score
    assert result.labelled
    assert both / 2 == pytest.approx(100 * (answers == labels).mean())
    again, _ = run(dense, folder / "labelled.tsv", tmp_path / "b", unlabelled=True)
    assert not again.labelled
    assert again.dense.score == 100.0


@pytest.mark.parametrize("unlabelled", [False, True])
def test_another_file_is_estimated_on(
    unlabelled: bool, dense: Path, folder: Path, tmp_path: Path
) -> None:
    test = str(folder / "test.tsv")
    settings: dict[str, Any] = {"test": test, "unlabelled": unlabelled}
    result, policy = run(dense, folder / "labelled.tsv", tmp_path / "out", **settings)
    assert (result.searched, result.estimate.texts) == (COUNT, 50)
    encoder = load_encoder(tmp_path / "out")
    data = TransformersTokenizer(dense, encoder.config)(random_texts(50, 4))
    pruned = run_oracle(encoder, data).logits.argmax(1)
    full = run_oracle(load_encoder(dense), data).logits.argmax(1)
    labels = full if unlabelled else np.array([len(t) % 2 for t in random_texts(50, 4)])
    assert result.estimate.pruned.score == pytest.approx(100 * (pruned == labels).mean())
    assert result.estimate.dense.score == pytest.approx(100 * (full == labels).mean())
    assert policy.keep_first


def test_the_first_token_and_the_score_length_are_those_asked_for(
    dense: Path, folder: Path, tmp_path: Path
) -> None:
    settings = {"first_token": "reference", "score_length": "9"}
    _, policy = run(dense, folder / "texts.tsv", tmp_path / "out", **settings)
    assert (policy.keep_first, policy.score_length) == (False, 9)


@pytest.mark.parametrize(("mode", "keep"), [(None, True), ("absolute_threshold", False)])
def test_a_released_model_keeps_its_first_token_where_it_pruned_nothing(
    mode: str | None, keep: bool, checkpoint_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("ltp", mode)
    assert not load_encoder(checkpoint).config.policy.keep_first
    job = TuneJob(checkpoint, "data", Path("out"), 1.0)
    assert starting_encoder(job).config.policy.keep_first == keep


@pytest.mark.parametrize("policy", ["absolute", "relative", "topk", "mixed", "reference"])
def test_a_model_with_thresholds_is_tuned(
    policy: str, checkpoint_of: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    before = load_encoder(checkpoint).config.policy
    result, after = run(checkpoint, folder / "texts.tsv", tmp_path / "out", 40.0)
    assert result.curve
    assert result.before is not None
    assert result.dense.score == result.estimate.dense.score == 100.0
    assert result.before.score < 100.0
    assert after == result.chosen.policy != before
    assert (after.keep_first, after.score_length) == (before.keep_first, before.score_length)
    estimate = result.estimate.pruned
    encoder = load_encoder(tmp_path / "out")
    assert estimate.alive[0] > estimate.alive[-1]
    assert encoder.config.policy.prunes
    assert "thresholds times one factor" in describe(result, tmp_path)


def test_a_released_checkpoint_is_tuned(
    checkpoint_of: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "released"
    shutil.copytree(checkpoint_of("ltp", "absolute_threshold"), checkpoint)
    save_tokenizer(checkpoint)
    result, policy = run(checkpoint, folder / "texts.tsv", tmp_path / "out", 20.0)
    assert result.curve
    assert policy.prunes
    assert (policy.score_length, policy.keep_first) == (128, False)
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["prune_mode"] is None


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bootstrap that takes less time."""
    monkeypatch.setattr("ltp_deploy.tune.interval.RESAMPLES", 100)


@pytest.mark.usefixtures("few_resamples")
def test_a_regression_is_tuned(
    checkpoint_of: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    values = {"labels": 1, "id2label": None, "problem_type": "regression"}
    checkpoint = checkpoint_of("bert", None, **values)
    result, policy = run(checkpoint, folder / "texts.tsv", tmp_path / "out", 5.0)
    assert result.estimate.dense.metric == "pearson %"
    assert result.estimate.dense.score == pytest.approx(100)
    assert result.estimate.changed is None
    assert 0 < result.estimate.drop < 20
    assert policy.prunes
    assert "answers change" not in describe(result, tmp_path)
    with pytest.raises(LtpError, match="f1 is no metric for a regression"):
        run(
            checkpoint,
            folder / "texts.tsv",
            tmp_path / "other",
            options=DataOptions(metric="f1"),
        )


@pytest.fixture
def reranker(checkpoint_of: Callable[..., Path]) -> Path:
    pytest.importorskip("ir_measures", reason="ir_measures is not installed")
    return checkpoint_of("bert", None, labels=1, id2label=None)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_reranker_is_tuned_by_its_rankings(
    labelled: bool, reranker: Path, tmp_path: Path
) -> None:
    data = write_groups(tmp_path / "groups.jsonl", 40, 5, labels=labelled)
    result, policy = run(reranker, data, tmp_path / "out", 30.0)
    assert policy.prunes
    assert result.labelled == labelled
    assert (result.searched, result.estimate.texts) == (100, 100)
    for found in (result.dense, result.estimate.dense, result.estimate.pruned):
        assert found.metric == "ndcg@10 %"
    assert (result.dense.score == 100) == (not labelled)
    assert (result.estimate.changed, result.estimate.remark) == (None, "")
    assert result.estimate.low < result.estimate.drop < result.estimate.high
    search, other, _ = read_parts(
        TuneJob(reranker, str(data), tmp_path / "x", 1.0),
        starting_encoder(TuneJob(reranker, str(data), tmp_path / "x", 1.0)),
    )
    assert not set(search.units) & set(other.units), "a query's passages stay together"
    assert len(set(search.units)) == 20


def test_the_metric_is_chosen_once_for_all_data(reranker: Path, tmp_path: Path) -> None:
    """Not anew for a part, which may lack what it needs."""
    groups = write_groups(tmp_path / "groups.jsonl", 6, 4)
    plain = tmp_path / "plain.jsonl"
    rows = [{"query": f"q {i}", "passages": [t], "labels": [i % 2]} for i, t in enumerate("abcdef")]
    plain.write_text("\n".join(map(json.dumps, rows)))
    for data, test in ((groups, plain), (plain, groups)):
        with pytest.raises(LtpError, match=r"NDCG@10 is undefined: no query has passages of diff"):
            run(reranker, data, tmp_path / "out", test=str(test))
    options = DataOptions(metric="spearman")
    job = TuneJob(reranker, str(groups), tmp_path / "out", 1.0, str(plain), options=options)
    assert {part.metric for part in read_parts(job, starting_encoder(job))[:2]} == {"spearman"}


@pytest.mark.usefixtures("few_resamples")
def test_a_reranker_without_rankings_is_tuned_by_correlation(
    reranker: Path, folder: Path, tmp_path: Path
) -> None:
    result, policy = run(reranker, folder / "texts.tsv", tmp_path / "out", 5.0)
    assert policy.prunes
    assert result.estimate.dense.metric == "pearson %"
    report = " ".join(describe(result, tmp_path).split())
    assert "since no query has passages of different relevance: what counts is pearson" in report


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("labelled", [True, False])
def test_sets_of_labels_are_tuned(
    labelled: bool, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    names = {0: "a", 1: "b", 2: "c"}
    checkpoint = checkpoint_of(
        "bert", None, labels=3, id2label=names, problem_type="multi_label_classification"
    )
    rows = [f"{t}\t{len(t) % 2}\t{len(t) % 3 % 2}\t1" for t in random_texts(COUNT, 5)]
    data = write_columns(tmp_path / "sets.tsv", "text\ta\tb\tc", rows)
    options = DataOptions(label_column="a,b,c")
    result, policy = run(
        checkpoint, data, tmp_path / "out", 6.0, options=options, unlabelled=not labelled
    )
    assert result.dense.metric == ("f1-micro %" if labelled else "accuracy %")
    if not labelled:
        estimate = result.estimate
        assert estimate.changed is not None
        assert estimate.drop == pytest.approx(100 * estimate.changed / estimate.texts)
    assert (result.dense.score == 100.0) == (not labelled)
    assert result.dense.score - result.chosen.point.score <= 6.0
    assert policy.prunes
    assert result.estimate.low < result.estimate.high


def test_too_little_data_for_any_pruning_is_said(dense: Path, tmp_path: Path) -> None:
    data = write_columns(tmp_path / "few.tsv", "text", random_texts(20, 5))
    with pytest.raises(LtpError, match="surely enough within 1 points on 10 texts") as caught:
        run(dense, data, tmp_path / "out", 1.0)
    assert "loses 0.00, with a standard error of 11.79" in str(caught.value)  # sqrt(2) / 12
    assert [path.name for path in tmp_path.iterdir()] == ["few.tsv"]


def test_too_few_texts_are_refused(dense: Path, tmp_path: Path) -> None:
    three = write_columns(tmp_path / "three.tsv", "text", ["a film", "bad", "good"])
    with pytest.raises(LtpError, match="2 texts to search on and 1 to estimate on are too few"):
        run(dense, three, tmp_path / "out")
    one = write_columns(tmp_path / "one.tsv", "text", ["a film"])
    with pytest.raises(LtpError, match="3 texts to search on and 1 to estimate on are too few"):
        run(dense, three, tmp_path / "out", test=str(one))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.tsv", "three.tsv"]


def test_too_few_queries_are_refused(
    dense: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = TaskData.read

    def of_three_queries(*given: Any) -> list[TaskData]:
        parts = read(*given)
        for part in parts:
            part.units = np.arange(len(part)) % 3
        return parts

    monkeypatch.setattr(TaskData, "read", of_three_queries)
    rows = [f"{text}\t{i % 2}" for i, text in enumerate(random_texts(30, 3))]
    data = write_columns(tmp_path / "few.tsv", "text\tlabel", rows)
    with pytest.raises(
        LtpError, match=r"[12] queries to search on and [12] to estimate on are too"
    ):
        tune_checkpoint(TuneJob(dense, str(data), tmp_path / "out", 1.0))


@pytest.mark.parametrize("turned", [False, True])
def test_labels_of_one_file_alone_are_refused(
    turned: bool, dense: Path, folder: Path, tmp_path: Path
) -> None:
    data, test = folder / "texts.tsv", folder / "test.tsv"
    if turned:
        data, test = test, data
    with pytest.raises(LtpError, match=r"texts.tsv has no labels, the other .*--unlabelled"):
        run(dense, data, tmp_path / "out", test=str(test))
    result, _ = run(dense, data, tmp_path / "out", test=str(test), unlabelled=True)
    assert not result.labelled


def test_a_wrong_label_of_the_second_file_is_counted_from_the_first(
    dense: Path, folder: Path, tmp_path: Path
) -> None:
    wrong = write_columns(tmp_path / "wrong.tsv", "text\tlabel", ["bad\t0", "good\t7"])
    with pytest.raises(LtpError, match=rf"row {COUNT + 2} has the label .*7.*; rows of .*--test"):
        run(dense, folder / "labelled.tsv", tmp_path / "out", test=str(wrong))


def test_an_error_leaves_nothing_half_written(
    dense: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    few = write_columns(tmp_path / "few.tsv", "text", random_texts(8, 5))
    run(dense, few, output)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(LtpError, match="exists; choose another output path or pass --force"):
        run(dense, few, output)

    def fail(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(job_module, "draw", fail)
    for target, force in ((output, True), (tmp_path / "other", False)):
        with pytest.raises(OSError, match="no space left"):
            run(dense, folder / "texts.tsv", target, force=force)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.tsv", "out"]


def test_what_is_missing_is_said_before_the_search(
    dense: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delattr(job_module, "tune")
    with pytest.raises(LtpError, match=r"the picture needs matplotlib: pip install .*\[learn\]"):
        run(dense, folder / "texts.tsv", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_any_folders_name_is_a_title(folder: Path, dense: Path, tmp_path: Path) -> None:
    odd = tmp_path / r"a$\b$c & <d>"
    odd.symlink_to(dense)
    few = write_columns(tmp_path / "few.tsv", "text", random_texts(8, 5))
    run(odd, few, tmp_path / "out")
    picture = (tmp_path / "out" / "tuned.svg").read_text()
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert r"a$\b$c &amp; &lt;d&gt;, tuned" in picture


def test_a_bundle_is_tuned_under_its_own_conventions(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", score_length=9, first_token="reference")
    output = tmp_path / "tuned"
    line = ["tune", str(bundle), "--data", str(folder / "texts.tsv"), "-o", str(output)]
    line += ["--max-drop", "60"]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 2
    assert "is a bundle: --against CHECKPOINT it was built from?" in result.output
    result = CliRunner().invoke(main, [*line, "--against", str(bert_checkpoint)])
    assert result.exit_code == 0, result.output
    policy = load_encoder(output).config.policy
    assert (policy.score_length, policy.keep_first) == (9, False)
    assert policy.prunes
    result = CliRunner().invoke(main, [*line, "--against", str(output)])
    assert result.exit_code == 1
    assert "was not built from" in result.output
    own = [*line, "--against", str(bert_checkpoint), "--score-length", "5"]
    result = CliRunner().invoke(main, own)
    assert result.exit_code == 2
    assert "are the bundle's own: leave them out" in result.output


def test_a_bundle_of_a_dense_model_is_tuned(
    dense: Path, bundle_of: Callable[..., Path], folder: Path, tmp_path: Path
) -> None:
    bundle = bundle_of(dense, "torchscript", survivors=False)
    line = ["tune", str(bundle), "--data", str(folder / "texts.tsv"), "--max-drop", "12", "--json"]
    line += ["--against", str(dense), "-o", str(tmp_path / "tuned")]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "tuned" / "tuned.json").read_text())
    policy = load_encoder(tmp_path / "tuned").config.policy
    assert found["chosen"]["policy"] == policy.to_config()
    assert policy.keep_first
    assert {rule.mode for rule in policy.layers} == {Mode.NONE, Mode.RELATIVE}
