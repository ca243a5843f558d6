"""The first thing to run: the smallest model there is, from checkpoint to answers."""

from pathlib import Path

import numpy as np

import ltp_deploy
from ltp_deploy.builder.build import build
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from tests.answers import as_lists, batch_for, oracle_answers, pruned_tokens
from tests.tiny import POLICIES, save_tiny


def test_a_tiny_checkpoint_becomes_an_engine_that_answers_like_the_oracle(tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path / "checkpoint", "bert", POLICIES["absolute"])
    build(checkpoint, tmp_path / "bundle", BuildOptions("cpu", survivors=True))
    engine = ltp_deploy.load(tmp_path / "bundle")

    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    logits, survivors = oracle_answers(encoder, batch)
    assert pruned_tokens(batch, survivors) > 10

    result = engine.run(batch)
    assert as_lists(result.survivors) == survivors
    np.testing.assert_allclose(result.logits, logits, atol=1e-4)
