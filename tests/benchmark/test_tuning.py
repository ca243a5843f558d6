"""benchmarks/tuning.py: its rules are the package's where both have them."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from ltp_deploy.model.encoder import Layer
from ltp_deploy.model.oracle import attention_probabilities
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answers, point_of
from ltp_deploy.tune.steps import engine_work
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE = LayerRule(Mode.NONE)
DENSE = PrunePolicy.dense(3)


@pytest.fixture
def tuning(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for module in ("tuning", "learning"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    import tuning

    return tuning


@pytest.mark.parametrize(
    ("rule", "mode", "score_length", "thresholds"),
    [
        ("relative", Mode.RELATIVE, 0, (0.2, 0.4)),
        ("absolute", Mode.ABSOLUTE, 0, (0.04, 0.06)),
        ("absolute-128", Mode.ABSOLUTE, 128, (0.004, 0.006)),
        ("topk", Mode.TOPK, 0, (0.23, 0.47)),
    ],
)
def test_a_method_does_what_the_policy_does(
    tuning: ModuleType, rule: str, mode: Mode, score_length: int, thresholds: tuple[float, float]
) -> None:
    encoder = tiny_encoder(DENSE)
    batch = random_batch([n % 15 + 3 for n in range(40)], vocabulary=60)
    rates = [1 - t if mode is Mode.TOPK else t for t in thresholds]
    policy = PrunePolicy((*(LayerRule(mode, rate) for rate in rates), NONE), score_length)
    logits, alive = answers(encoder.with_policy(policy), batch)
    data = TaskData(batch, np.arange(len(logits)) % 2)
    model, method = tuning.Model(encoder, batch), tuning.Method(rule)
    found = model.run(method, (*thresholds, 0.0))
    assert alive[:, -1].sum() < alive[:, 0].sum()
    np.testing.assert_array_equal(found.profile.alive, alive)
    np.testing.assert_allclose(found.logits, logits, atol=1e-5)
    assert model.work(found) == pytest.approx(engine_work(encoder.config, found.profile))
    point = point_of(encoder.config, logits, alive, data)
    judged = tuning.judged(method, model, data, (*thresholds, 0.0))
    assert judged["score"] == pytest.approx(point.score)
    assert judged["flops_ratio"] == pytest.approx(point.flops_ratio)


def test_mass_keeps_the_fewest_tokens_that_hold_a_share(tuning: ModuleType) -> None:
    encoder = tiny_encoder(DENSE)
    model = tuning.Model(encoder, random_batch([9, 9], vocabulary=60))
    (state,) = model.dense.states[1]
    score = torch.tensor([[4.0, 1, 3, 2, 0, 0, 0, 0, 0], [1.0, 1, 1, 1, 1, 1, 1, 1, 2]])
    kept = tuning.mass(score, 4, state) >= 0.35  # the best that hold 0.65 of 10, and of 10
    assert kept[0].tolist() == [True, False, True, *[False] * 6]
    assert kept[1].sum() == 6


def test_scores_follow_their_definitions(tuning: ModuleType) -> None:
    encoder = tiny_encoder(DENSE)
    model = tuning.Model(encoder, random_batch([7], vocabulary=60))
    layer, (state,) = encoder.layers[1], model.dense.states[1]
    assert isinstance(layer, Layer)
    with torch.inference_mode():
        probability = attention_probabilities(layer, state.x, state.alive)
        found = {name: s(layer, probability, state)[0] for name, s in tuning.SCORES.items()}
        value = layer.value(state.x)[0]
        size = value.shape[1] // layer.heads
        for token in range(7):
            received = probability[0, :, :, token].sum(1)
            parts = value[token].split(size)
            weights = layer.attention_output.weight.split(size, 1)
            pairs = list(zip(received, parts, weights, strict=True))
            expected = {
                "attention": sum(received),
                "first row": probability[0, :, 0, token].sum(),
                "values": sum(r * v.norm() for r, v, _ in pairs),
                "outputs": sum(r * (w @ v).norm() for r, v, w in pairs),
            }
            for name, score in expected.items():
                assert float(found[name][token]) == pytest.approx(float(score), rel=1e-4)


@pytest.mark.parametrize("layerwise", [True, False])
def test_thresholds_reach_the_ratios(tuning: ModuleType, layerwise: bool) -> None:
    encoder = tiny_encoder(DENSE)
    batch = random_batch([n % 15 + 6 for n in range(40)], vocabulary=60)
    model, method = tuning.Model(encoder, batch), tuning.Method("relative", layerwise=layerwise)
    tuning.RATIOS = (1.1, 1.2, 1.3)
    way = tuning.layer_by_layer if layerwise else tuning.one_factor
    found = list(way(method, model))
    ratios = [1 / model.work(model.run(method, thresholds)) for thresholds in found]
    for ratio, wanted in zip(ratios, tuning.RATIOS, strict=True):
        assert wanted <= ratio < 1.15 * wanted
    assert all(thresholds[-1] == 0.0 for thresholds in found)
