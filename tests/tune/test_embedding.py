"""Embedding models are tuned by the cosine with their own vectors without pruning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from tests.embeddings import save_embedding
from tests.tiny import random_texts, write_texts

TEXTS = random_texts(60, seed=7)


@pytest.mark.parametrize("pooling", ["frozen", "survivors"])
def test_the_cosine_is_held_to_a_budget(pooling: str, tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model")
    data = write_texts(tmp_path / "texts.tsv", 120, seed=3)  # its labels are not read
    arguments = f"--data {data} --max-drop 5 --pooling {pooling} -o {tmp_path / 'tuned'}"
    result = CliRunner().invoke(main, ["tune", str(checkpoint), *arguments.split()])
    assert result.exit_code == 0, result.output
    assert "agreement with the dense model, cosine %" in result.output
    found = load_encoder(tmp_path / "tuned")
    assert found.config.policy.prunes
    assert found.config.embedding.pooling == pooling
    batch = TransformersTokenizer(checkpoint, found.config)(TEXTS)
    pruned = run_oracle(found, batch).logits
    dense = run_oracle(found.with_policy(PrunePolicy.dense(3)), batch).logits
    tuned = json.loads((tmp_path / "tuned/tuned.json").read_text())
    assert 100 * (1 - np.mean((pruned * dense).sum(1))) == pytest.approx(
        100 - tuned["estimate"]["pruned"]["score"], abs=2.5
    )


def test_pooling_is_for_means(tmp_path: Path) -> None:
    checkpoint = save_embedding(tmp_path / "model", pooling="cls")
    data = write_texts(tmp_path / "texts.tsv")
    arguments = f"--data {data} --pooling frozen -o {tmp_path / 'tuned'}"
    result = CliRunner().invoke(main, ["tune", str(checkpoint), *arguments.split()])
    assert result.exit_code == 1
    assert "--pooling frozen is for models whose answer is a mean over tokens" in str(result.output)
