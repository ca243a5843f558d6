"""A reranker, from its checkpoint to the proof of its engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.builder import judge
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.examples import Examples, read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.verification import describe
from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.gates import Tolerances
from ltp_deploy.verification.verify import verify
from tests.once import Once
from tests.rankings import write_groups

pytest.importorskip("ir_measures", reason="ir_measures is not installed")
QUERIES, PASSAGES = 8, 6


@pytest.fixture(scope="module")
def checkpoint(checkpoint_of: Callable[..., Path]) -> Path:
    return checkpoint_of("bert", "absolute", labels=1, id2label=None)


@pytest.fixture(scope="module")
def groups(once: Once) -> Path:
    def make(directory: Path) -> None:
        write_groups(directory / "groups.jsonl", QUERIES, PASSAGES, seed=2)

    return once(make, "groups") / "groups.jsonl"


@pytest.mark.parametrize("target", ["cpu", "torchscript", "onnx"])
def test_each_engine_is_judged_by_its_rankings(
    target: str, checkpoint: Path, groups: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint, target, survivors=target != "onnx")
    result = verify(bundle, checkpoint, groups, tolerances=Tolerances(max_drop=0))
    assert load(bundle).manifest.model.head == "ranking"
    assert (result.failures, result.remark, result.logits.flips) == ([], "", None)
    data = read_examples(str(groups))
    encoder = load_encoder(checkpoint)
    batch = TransformersTokenizer(checkpoint, encoder.config)(data.texts)
    logits = run_oracle(encoder, batch).logits
    ranked = np.argsort(-logits.reshape(QUERIES, PASSAGES), axis=1)
    labels = np.array(data.labels, float).reshape(QUERIES, PASSAGES)
    ranks = 1 + np.take_along_axis(labels, ranked, 1).argmax(1)
    assert len(set(ranks.tolist())) > 2
    expected = {"ndcg@10 %": 100 / np.log2(ranks + 1), "mrr@10 %": 100 / ranks}
    assert result.scores.keys() == expected.keys()
    for metric, score in result.scores.items():
        assert score["oracle"] == score["engine"] == pytest.approx(expected[metric].mean())
        assert score["dense"] != score["oracle"]
    judged = {gate.what for gate in result.gates}
    assert {"drop of ndcg@10 %", "drop of mrr@10 %", "rank correlation"} < judged


def test_pairs_without_a_common_query_are_judged_by_correlation(
    checkpoint: Path, groups: Path, bundle_of: Callable[..., Path]
) -> None:
    data = read_examples(str(groups))
    assert data.labels is not None
    pairs = [(f"film {i}", passage) for i, (_, passage) in enumerate(data.texts)]
    plain = Examples(pairs, data.labels)
    bundle = bundle_of(checkpoint, "torchscript")
    result = verify(bundle, checkpoint, plain)
    assert (result.failures, list(result.scores)) == ([], ["pearson %"])
    assert "since no query has passages of different relevance: what counts is" in describe(result)
    assert result.values is not None
    assert result.values.spearman == pytest.approx(1)
    same = verify(bundle, checkpoint, Examples(plain.texts, ["1"] * len(plain)))
    assert (same.scores, same.remark, same.labelled) == ({}, "", True)


def test_the_commands_take_a_reranker(
    checkpoint: Path, groups: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    def called(*arguments: object) -> str:
        result = CliRunner().invoke(main, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    bundle = bundle_of(checkpoint)
    asked = ["verify", bundle, "--against", checkpoint, "--data", groups, "--json"]
    found = json.loads(called(*asked, "--metric", "mrr@10", "--max-drop", "0"))
    assert list(found["scores"]) == ["mrr@10 %"]
    assert [gate["what"] for gate in found["gates"]][-1] == "drop of mrr@10 %"

    timed = ["bench", bundle, "--against", checkpoint, "--data", groups, "--iterations", "1"]
    (case,) = json.loads(called(*timed, "--batch", "4", "--json"))["cases"]
    assert (case["sequences"], case["same_predictions"]) == (QUERIES * PASSAGES, None)

    (tmp_path / "pairs.txt").write_text("film\ta great film\n")
    answer = json.loads(called("run", bundle, tmp_path / "pairs.txt"))
    assert answer["logits"] == load(bundle)([("film", "a great film")]).logits[0].tolist()
    assert "label" not in answer


@pytest.mark.slow
def test_a_precision_is_searched_for_by_rankings(
    checkpoint: Path, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "SECONDS", 0.01)

    def built(data: Path, *options: str) -> str:
        line = ["build", str(checkpoint), "--target", "cpu", "-o", str(tmp_path / data.stem)]
        line += ["--max-drop", "100", "--judge-data", str(data), *options]
        result = CliRunner().invoke(main, line)
        assert result.exit_code == 0, result.output
        return result.output

    assert "undefined" not in built(groups)
    plain = tmp_path / "plain.tsv"
    plain.write_text("query\tpassage\tlabel\na\ta great film\t1\nb\tdull\t0\nfilm\tgood .\t1\n")
    assert "ndcg@10 is undefined here" in built(plain, "--precision", "bf16")


@pytest.mark.slow
def test_a_reranker_is_calibrated(checkpoint: Path, groups: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed")
    ranges = tmp_path / "ranges.json"
    line = ["calibrate", str(checkpoint), "--data", str(groups), "-o", str(ranges)]
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 0, result.output
    line = ["build", str(checkpoint), "--precision", "int8", "--calibration", str(ranges)]
    result = CliRunner().invoke(main, [*line, "--target", "cpu", "-o", str(tmp_path / "engine")])
    assert result.exit_code == 0, result.output
    query, first = read_examples(str(groups)).texts[0]
    assert len(load(tmp_path / "engine").rank(query, [first, "dull"])) == 2
