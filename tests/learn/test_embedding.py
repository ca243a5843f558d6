"""Pruning that an embedding model learns from its own vectors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.errors import LtpError
from ltp_deploy.learn.masks import Hard, Soft
from ltp_deploy.learn.model import Learner
from ltp_deploy.learn.recipe import Recipe
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from tests.answers import batch_for
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import POLICIES, random_texts

pytest.importorskip("accelerate", reason="accelerate is not installed")


@pytest.fixture(scope="module")
def made(once: Once) -> Callable[..., Path]:
    """(policy or None, pooling) -> a tiny BERT with a mean over tokens."""

    def find(policy: str | None = None, pooling: str = "frozen") -> Path:
        def make(directory: Path) -> None:
            save_embedding(directory, ltp=POLICIES.get(policy or ""), ltp_pooling=pooling)

        return once(make, f"learn-mean-{policy}", policy, pooling)

    return find


@pytest.mark.parametrize("pooling", ["frozen", "survivors"])
@pytest.mark.parametrize("policy", ["absolute", "topk"])
def test_a_hard_mask_gives_the_oracles_vectors(
    policy: str, pooling: str, made: Callable[..., Path]
) -> None:
    encoder = load_encoder(made(policy, pooling))
    batch = batch_for(encoder)
    ids, types, mask = (torch.from_numpy(part) for part in batch.padded(0))
    model = Learner(encoder, Hard(encoder.config.policy)).eval()
    found = model(ids, mask.long(), types)["logits"]
    np.testing.assert_allclose(found, run_oracle(encoder, batch).logits, atol=1e-5)


@pytest.mark.parametrize("pooling", ["frozen", "survivors"])
def test_a_soft_mask_becomes_the_hard_one_as_it_sharpens(
    pooling: str, made: Callable[..., Path]
) -> None:
    """Where layer 1 alone prunes: what a soft mask weakens finishes its layer and counts as little
    as it is left."""
    encoder = load_encoder(made("absolute-sequence", pooling))
    rules = list(PrunePolicy.dense(3).layers)
    rules[2] = encoder.config.policy.layers[2]
    policy = PrunePolicy(tuple(rules))
    encoder = encoder.with_policy(policy)
    batch = batch_for(encoder)
    ids, types, mask = (torch.from_numpy(part) for part in batch.padded(0))
    soft = Soft(policy, temperature=1e-7)
    with torch.no_grad():
        soft.thresholds[1] = -1
    model = Learner(encoder, soft).eval()
    found = model(ids, mask.long(), types)["logits"].detach()
    np.testing.assert_allclose(found, run_oracle(encoder, batch).logits, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tuned", "ltp", "manual"])
def test_the_command_learns_from_texts_alone(
    method: str, made: Callable[..., Path], tmp_path: Path
) -> None:
    data = tmp_path / "texts.tsv"
    data.write_text("\n".join(["text", *random_texts(96, seed=6)]) + "\n")
    arguments = f"--dev {data} --method {method} --flops 1.3 --lr 1e-3 --hard-lr 1e-3 --batch 16"
    arguments += f" --hard-epochs 4 --soft-epochs 1 --pooling survivors -o {tmp_path / 'new'}"
    command = ["learn", str(made()), "--data", str(data), *arguments.split()]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    learned = json.loads((tmp_path / "new/learned.json").read_text())
    assert learned["pruned"]["flops_ratio"] == pytest.approx(1.3, abs=0.1)
    assert learned["dense"]["metric"] == "cosine %"
    assert learned["dense"]["score"] == pytest.approx(100)
    assert 85 < learned["pruned"]["score"] < 99.9
    found = load_encoder(tmp_path / "new").config
    assert found.embedding.pooling == "survivors"
    assert found.policy.prunes


def test_a_search_needs_an_aim() -> None:
    with pytest.raises(LtpError, match="the method tuned needs a FLOPs ratio or a bud"):
        Recipe(method="tuned")
