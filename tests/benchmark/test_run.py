"""A whole benchmark of a tiny bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.benchmark.baselines import BaselineRequest
from ltp_deploy.benchmark.baselines import openvino as baselines
from ltp_deploy.benchmark.baselines.openvino import DENSE, DENSE_ONE_BY_ONE
from ltp_deploy.benchmark.baselines.peers import open_peer
from ltp_deploy.benchmark.ours import OURS, UNPRUNED
from ltp_deploy.benchmark.run import Options, difference, run, same_predictions
from ltp_deploy.benchmark.workload import of_distribution, of_length
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import LtpError
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.policy import PrunePolicy
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.report.benchmark import describe
from ltp_deploy.runtime.engine import Engine, load
from tests.heads.models import a_head
from tests.tiny import LAYERS

ONCE = Options(iterations=1, threads=1)


def request(checkpoint: Path, encoder: Encoder) -> BaselineRequest:
    """A dense model in f32 on one thread."""
    return BaselineRequest(checkpoint, encoder, "f32", "f32", "cpu", (), 1, ())


@pytest.mark.slow
def test_all_runners_are_measured_on_all_cases(engine: Engine, bert_checkpoint: Path):
    config = engine.config
    cases = [of_length(config, 9, 1), of_distribution(config, 12, 30, 4)]
    result = run(engine, cases, bert_checkpoint, ONCE)
    single, mixed = result.cases
    assert [r.name for r in single.runners] == [OURS, UNPRUNED, DENSE]
    assert [r.name for r in mixed.runners] == [OURS, UNPRUNED, DENSE, DENSE_ONE_BY_ONE]
    assert not result.warnings
    for case in result.cases:
        ours, unpruned, dense = case.runners[:3]
        assert ours.time_ratio == ours.flops_ratio == 1
        assert 1 < unpruned.flops_ratio <= dense.flops_ratio
        assert case.flops_ratio_authors > 1
    text = describe(result)
    assert "WARNING" not in text
    assert all(r.name in text for r in mixed.runners)


@pytest.mark.full
def test_an_int8_engine_meets_a_dense_int8_model(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
):
    pytest.importorskip("nncf")
    engine = load(bundle_of(bert_checkpoint, precision="int8-dynamic"))
    result = run(engine, [of_length(engine.config, 9, 2)], bert_checkpoint, ONCE)
    (case,) = result.cases
    assert [r.name for r in case.runners] == [OURS, UNPRUNED, DENSE, DENSE_ONE_BY_ONE]
    assert not result.warnings


def test_without_a_checkpoint_only_the_bundle_is_measured(engine: Engine):
    result = run(engine, [of_length(engine.config, 9, 2)], None, ONCE)
    (case,) = result.cases
    assert [r.name for r in case.runners] == [OURS]
    assert case.runners[0].flops_ratio is None
    assert OURS in describe(result)


@pytest.mark.full
def test_a_baseline_that_is_another_model_is_reported(
    engine: Engine, bert_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
):
    genuine = baselines.dense_model

    def altered(*arguments):
        model = genuine(*arguments)
        with torch.no_grad():
            next(p for n, p in model.named_parameters() if "layer.1" in n and p.dim() == 2).mul_(
                1.1
            )
        return model

    monkeypatch.setattr(baselines, "dense_model", altered)
    result = run(engine, [of_length(engine.config, 9, 2)], bert_checkpoint, ONCE)
    assert "not the same model" in result.warnings[0]
    assert "WARNING" in describe(result)


def test_another_checkpoint_is_refused(engine: Engine, checkpoint_of: Callable[..., Path]):
    other = checkpoint_of("bert", "topk")
    with pytest.raises(LtpError, match="was not built from"):
        run(engine, [of_length(engine.config, 9, 1)], other, ONCE)


@pytest.mark.parametrize("peer", ["pytorch", "onnxruntime"])
def test_peers_run_the_same_model(bert_checkpoint: Path, peer: str):
    if peer == "onnxruntime":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx")
    encoder = load_encoder(bert_checkpoint)
    runner = open_peer(peer, request(bert_checkpoint, encoder))
    batch = of_distribution(encoder.config, 12, 30, 3).requests[0]
    expected = run_oracle(encoder.with_policy(PrunePolicy.dense(LAYERS)), batch).logits
    np.testing.assert_allclose(runner.prepare(batch, encoder.config)(), expected, atol=2e-5)


def test_an_unknown_peer_is_refused(bert_checkpoint: Path):
    with pytest.raises(LtpError, match="unknown peer 'tensorflow'; known: onnxruntime, pytorch"):
        open_peer("tensorflow", request(bert_checkpoint, load_encoder(bert_checkpoint)))


def test_differences_are_relative_to_the_largest_logit():
    assert difference(np.array([[1.0, 4.5]]), np.array([[1.0, -5.0]])) == pytest.approx(1.9)
    ours, theirs = np.array([[1, 2], [2, 1]]), np.array([[0, 9], [0, 9]])
    assert same_predictions(a_head("classification"), ours, theirs) == 0.5
    assert same_predictions(a_head("regression", 1), np.ones((2, 1)), np.ones((2, 1))) is None
