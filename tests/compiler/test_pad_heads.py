"""Heads of every size mean the same after they are padded, and those that fit are left alone."""

import numpy as np
import pytest
import torch
from torch import fx, nn

from ltp_deploy.compiler.cost import dense_work, layer_work
from ltp_deploy.compiler.lower import lower
from ltp_deploy.compiler.passes.fuse_qkv import fuse_qkv
from ltp_deploy.compiler.passes.pad_heads import pad_heads
from ltp_deploy.compiler.plan import Plan, PlanRequest, make_plan
from ltp_deploy.compiler.t4 import T4
from ltp_deploy.compiler.trace import trace
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.flops import engine_flops, padded_flops
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from ltp_deploy.report.plan import describe
from tests.answers import batch_for, oracle_answers, packed_answers, pruned_tokens
from tests.model.problems import tiny_encoder

RULES = (LayerRule(Mode.TOPK, 0.8), LayerRule(Mode.ABSOLUTE, 0.05), LayerRule(Mode.RELATIVE, 0.2))
POLICY = PrunePolicy(RULES, score_length=16, keep_first=True)
LENGTHS = (19, 4, 1, 12)


def encoder_of(heads: int, size: int) -> Encoder:
    return tiny_encoder(POLICY, heads=heads, hidden_size=heads * size, embedding_size=32)


def plan_of(encoder: Encoder, precision: str = "f32") -> Plan:
    return make_plan(PlanRequest(encoder.config, precision, survivors=True))


def linears(module: fx.GraphModule) -> dict[str, nn.Linear]:
    return {name: m for name, m in module.named_modules() if isinstance(m, nn.Linear)}


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("size", [1, 4, 7, 8, 9, 12, 26, 33])
def test_heads_of_every_size_mean_what_the_oracle_says(heads: int, size: int) -> None:
    encoder = encoder_of(heads, size)
    batch = batch_for(encoder, LENGTHS)
    expected, survivors = oracle_answers(encoder, batch)
    logits, kept = packed_answers(lower(encoder, plan_of(encoder)), encoder, batch)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert kept == survivors
    assert pruned_tokens(batch, kept) > 0


@pytest.mark.parametrize(("size", "padded"), [(1, 8), (26, 32), (32, 32), (33, 40)])
def test_only_qkv_and_the_output_projection_are_widened(size: int, padded: int) -> None:
    encoder = encoder_of(2, size)
    found = linears(lower(encoder, plan_of(encoder)))
    assert found["layer_1_qkv"].weight.shape == (3 * 2 * padded, 2 * size)
    assert found["layer_1_qkv"].bias.shape == (3 * 2 * padded,)
    assert found["layers.1.attention_output"].weight.shape == (2 * size, 2 * padded)
    assert found["layers.1.intermediate"].weight.shape == (48, 2 * size)
    assert encoder.config.context_size == 2 * padded


def test_heads_that_fit_are_left_as_they_are() -> None:
    encoder = encoder_of(2, 24)
    plan = plan_of(encoder)
    module = fuse_qkv(trace(encoder), plan)
    before = linears(module)
    after = linears(pad_heads(module, plan))
    assert all(after[name] is before[name] for name in before)


def test_the_encoder_keeps_its_own_weights() -> None:
    encoder = encoder_of(2, 26)
    before = {name: t.clone() for name, t in encoder.state_dict().items()}
    lower(encoder, plan_of(encoder))
    assert all(torch.equal(t, before[name]) for name, t in encoder.state_dict().items())


def test_padded_heads_in_float16_stay_close() -> None:
    encoder = encoder_of(2, 26)
    batch = batch_for(encoder, LENGTHS)
    logits, _ = packed_answers(lower(encoder, plan_of(encoder, "fp16")), encoder, batch)
    np.testing.assert_allclose(logits, oracle_answers(encoder, batch)[0], atol=0.02)


def test_engines_are_said_to_compute_with_the_padding_and_dense_models_without() -> None:
    """26 columns of each of two heads become 32: 64 in place of 52."""
    encoder = encoder_of(2, 26)
    config, d, m = encoder.config, 52, 48
    (first, *_) = engine_flops(config, np.array([[10, 6, 4, 3]]), (Carry.SURVIVORS,) * 3)
    assert (first.qkv, first.attention) == (3 * d * 64 * 10, 2 * 64 * 10 * 10)
    assert (first.projection, first.ffn) == (64 * d * 6, 2 * d * m * 6)
    assert padded_flops(config, 1, 10) == 3 * (4 * d * d * 10 + 2 * d * 100 + 2 * d * m * 10)
    rows = np.array([10])
    assert dense_work(T4, config, rows).flops == 2 * padded_flops(config, 1, 10)
    layer = layer_work(T4, config, rows, rows, Carry.ALL, scores=False)
    assert layer.flops == 2 * (4 * d * 64 * 10 + 2 * 64 * 100 + 2 * d * m * 10)


def test_a_plan_says_that_heads_are_padded() -> None:
    for size, said in ((26, "2 heads of 26 values, computed as 32\n"), (24, "2 heads\n")):
        encoder = encoder_of(2, size)
        assert said in describe(plan_of(encoder), encoder.config, "cpu")
