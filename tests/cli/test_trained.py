"""The whole way with a checkpoint that the method's authors' own code trained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import read_examples
from ltp_deploy.data.tokenizer import Tokenizer
from tests.trained import TrainedCheckpoint


@pytest.fixture(scope="module")
def checkpoint(shared: Path) -> Path:
    return shared / "checkpoints" / "sst2"


def ltp_deploy(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ltp_deploy.cli", *map(str, arguments)]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}  # cores may be busy, and waiting for them is slow
    return subprocess.run(command, capture_output=True, text=True, check=False, env=one)


def test_build_then_verify_on_real_data(checkpoint: Path, shared: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    built = ltp_deploy("build", checkpoint, "-o", bundle, "--outputs", "survivors")
    assert built.returncode == 0, built.stderr
    assert "score length D = 128; first token may be pruned (reference)" in built.stdout

    data = ["--data", shared / "data" / "sst2" / "dev.tsv"]
    verified = ltp_deploy("verify", bundle, "--against", checkpoint, *data, "--json")
    assert verified.returncode == 0, verified.stderr
    found = json.loads(verified.stdout)
    assert found["sequences"] == 872
    assert found["failures"] == []
    assert found["survivors"]["disagreements"] == []
    assert found["logits"]["max_without_ties"] < 1e-4
    # What the authors' code says of this checkpoint.
    assert found["scores"]["engine"] == pytest.approx(86.93, abs=0.01)
    assert found["flops_ratio_authors"] == pytest.approx(1.45, abs=0.005)


def test_the_tokenizer_gives_the_tokens_it_was_trained_on(
    trained: TrainedCheckpoint, shared: Path
) -> None:
    texts = read_examples(str(shared / "data" / "sst2" / "dev.tsv")).texts
    batch = Tokenizer(trained.directory, load_encoder(trained.directory).config)(texts)
    assert (batch.input_ids == trained.batch.input_ids).all()
    assert (batch.offsets == trained.batch.offsets).all()
