"""The whole way with checkpoints whose answers are known."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from tests.known import KnownCheckpoint, by_the_released_code


def ltp_deploy(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_build_then_verify_gives_the_known_scores(known: KnownCheckpoint, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    built = ltp_deploy("build", known.directory, "-o", bundle, "--outputs", "survivors")
    assert "score length D = 128; first token may be pruned (reference)" in built

    data = ["--data", known.texts]
    verified = ltp_deploy("verify", bundle, "--against", known.directory, *data, "--json")
    found = json.loads(verified)
    assert found["sequences"] == known.batch.sequences
    assert found["failures"] == []
    assert found["survivors"]["disagreements"] == []
    assert found["logits"]["max_without_ties"] < 1e-4
    assert found["scores"]["accuracy %"]["engine"] == pytest.approx(known.accuracy, abs=0.01)
    assert found["flops_ratio_authors"] == pytest.approx(known.flops_ratio, abs=0.005)


def test_figures_of_the_trained_checkpoints_are_those_published_with_them(shared: Path) -> None:
    figures = {"sst2": (86.93, 1.45), "sst2-topk": (87.27, 1.24), "sst2-relative": (86.24, 1.54)}
    for name, expected in figures.items():
        checkpoint = shared / "checkpoints" / name
        found = by_the_released_code(checkpoint, shared / "data" / "sst2" / "dev.tsv")
        assert (found.accuracy, found.flops_ratio) == pytest.approx(expected, abs=0.005)


def test_tokens_of_texts_are_the_known_ones(known: KnownCheckpoint) -> None:
    texts = read_examples(str(known.texts)).texts
    batch = TransformersTokenizer(known.directory, load_encoder(known.directory).config)(texts)
    assert (batch.input_ids == known.batch.input_ids).all()
    assert (batch.offsets == known.batch.offsets).all()
