"""An embedding model, from its checkpoint to the proof and the timing of its engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.benchmark.run import Options, run
from ltp_deploy.benchmark.workload import of_length
from ltp_deploy.builder.draft import Measured, draft_build
from ltp_deploy.builder.judge import EngineJudge, Variant
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import Examples
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.verification import describe
from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.verify import Tolerances, verify
from tests.embeddings import save_embedding
from tests.once import Once
from tests.tiny import POLICIES, random_texts

TEXTS = random_texts(40, seed=1)
EXAMPLES = Examples(TEXTS, [0.0] * 40)  # labels, which nothing reads


@pytest.fixture(scope="module")
def checkpoint(once: Once) -> Path:
    return once(lambda new: save_embedding(new, ltp=POLICIES["absolute"]), "verified embedding")


def dense_and_pruned(checkpoint: Path) -> list[np.ndarray]:
    """The vectors of the texts without and with pruning."""
    encoder = load_encoder(checkpoint)
    batch = TransformersTokenizer(checkpoint, encoder.config)(TEXTS)
    dense = encoder.with_policy(PrunePolicy.dense(3))
    return [run_oracle(model, batch).logits for model in (dense, encoder)]


def test_an_exact_engine_passes_and_is_scored_against_the_dense_model(
    checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    result = verify(bundle_of(checkpoint), checkpoint, EXAMPLES, tolerances=Tolerances(max_drop=1))
    assert result.failures == []
    dense, pruned = dense_and_pruned(checkpoint)
    scores = result.scores["cosine %"]
    assert scores["dense"] == pytest.approx(100)
    assert scores["oracle"] == pytest.approx(100 * (dense * pruned).sum(1).mean(), abs=1e-3)
    assert scores["engine"] == pytest.approx(scores["oracle"], abs=1e-3)
    assert result.values.spearman == pytest.approx(1)
    assert "cosine %" in describe(result)


def test_a_difference_is_held_to_its_limit(
    checkpoint: Path, once: Once, bundle_of: Callable[..., Path]
) -> None:
    other = Tolerances(max_logit_difference=0.0)
    result = verify(bundle_of(checkpoint), checkpoint, EXAMPLES, tolerances=other)
    assert len(result.failures) == 1
    assert "largest logit difference" in result.failures[0]


def test_precisions_are_judged_by_the_cosine(checkpoint: Path) -> None:
    draft = draft_build(checkpoint, BuildOptions("cpu"), Measured())
    with EngineJudge(draft, checkpoint, EXAMPLES) as judge:
        assert abs(judge.drop(Variant("f32"))) < 1e-3
        assert 1e-3 < abs(judge.drop(Variant("int8-dynamic"))) < 10


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_dense_baseline_is_the_same_model(
    pooling: str, tmp_path: Path, bundle_of: Callable[..., Path]
) -> None:
    checkpoint = save_embedding(tmp_path / "model", pooling=pooling, dense="Tanh")
    engine = load(bundle_of(checkpoint, survivors=False))
    options = Options(seconds=0, iterations=1, threads=1)
    result = run(engine, [of_length(engine.config, 9, 2)], checkpoint, options)
    (case,) = result.cases
    assert not result.warnings
    assert case.baseline_difference < 1e-4
    assert case.same_predictions is None
