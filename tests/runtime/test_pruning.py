"""The dial: a bundle loaded with stronger or weaker pruning, or with none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError, LtpError
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.runtime.engine import load
from tests.answers import assert_as_oracle, batch_for, oracle_answers, pruned_tokens
from tests.tiny import policy

POLICIES = ["absolute", "absolute-sequence", "relative", "topk", "mixed", "reference"]


def multiplied(of: PrunePolicy, factor: float) -> PrunePolicy:
    """Thresholds times the factor; of keep rates, what they prune."""
    rules = [
        LayerRule(rule.mode, 1 - factor * (1 - rule.threshold))
        if rule.mode is Mode.TOPK
        else LayerRule(rule.mode, factor * rule.threshold)
        for rule in of.layers
    ]
    return replace(of, layers=tuple(rules))


@pytest.mark.parametrize("name", POLICIES)
def test_a_factor_is_a_checkpoint_whose_thresholds_were_multiplied(
    name: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", name)
    encoder = load_encoder(checkpoint)
    batch = batch_for(encoder)
    pruned = []
    for factor in (0.4, 1.0, 1.3):
        wanted = multiplied(encoder.config.policy, factor)
        for survivors in (True, False):
            with load(bundle_of(checkpoint, survivors=survivors), pruning=factor) as engine:
                other = encoder.with_policy(wanted)
                if survivors:
                    pruned.append(pruned_tokens(batch, assert_as_oracle(engine, other, batch)))
                np.testing.assert_allclose(
                    engine.run(batch).logits, oracle_answers(other, batch)[0], atol=1e-4
                )
                assert engine.pruning == factor
                for rule, expected in zip(engine.config.policy.layers, wanted.layers, strict=True):
                    assert rule.threshold == pytest.approx(expected.threshold)
    assert pruned[0] < pruned[1] < pruned[2]


@pytest.mark.parametrize("name", ["absolute", "topk", "reference"])
@pytest.mark.parametrize("precision", ["f32", "bf16", "int8-dynamic"])
def test_false_is_a_build_of_the_dense_model(
    name: str,
    precision: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    options: dict[str, Any] = {"precision": precision, "survivors": False}
    keep_all = policy(*[("none", 0.0)] * 3)
    dense = load(bundle_of(checkpoint_of("bert"), **options))
    bundle = bundle_of(checkpoint_of("bert", name), **options)
    batch = batch_for(load_encoder(checkpoint_of("bert", name)))
    expected = dense.run(batch).logits
    assert dense.config.policy.to_config()["layers"] == keep_all["layers"]
    assert np.abs(load(bundle).run(batch).logits - expected).max() > 1e-2
    for nothing in (False, 0, 0.0):
        found = load(bundle, pruning=nothing)
        assert not found.config.policy.prunes
        np.testing.assert_allclose(found.run(batch).logits, expected, atol=1e-5)
    np.testing.assert_array_equal(
        load(bundle, pruning=True).run(batch).logits, load(bundle).run(batch).logits
    )


def test_with_nothing_pruned_all_tokens_survive(bert_bundle: Path) -> None:
    engine = load(bert_bundle, pruning=False)
    result = engine(input_ids=[[2, 7, 9, 3], [2, 3]])
    assert result.survivors is not None
    assert [[len(kept) for kept in layers] for layers in result.survivors] == [[4] * 3, [2] * 3]


@pytest.mark.parametrize("value", [-0.5, float("nan"), float("inf"), "1", None])
def test_other_factors_are_refused(value: Any, bert_bundle: Path) -> None:
    with pytest.raises(
        LtpError, match=r"pruning must be True, False, or a factor from 0 on .*found"
    ):
        load(bert_bundle, pruning=value)


def test_engines_whose_thresholds_are_compiled_in_say_so(
    bert_checkpoint: Path, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript")
    with pytest.raises(BundleError, match=r"runs in torchscript, .* so pruning=0.5 needs a build"):
        load(bundle, pruning=0.5)
    assert load(bundle, pruning=1).pruning == 1.0
    dense = load(bundle_of(checkpoint_of("bert"), "torchscript"), pruning=False)  # as it is
    assert not dense.config.policy.prunes


def test_relative_thresholds_and_keep_rates_end_where_tokens_would() -> None:
    rules = [LayerRule(Mode.RELATIVE, 0.4), LayerRule(Mode.TOPK, 0.6), LayerRule(Mode.TOPK, 1.0)]
    assert [rule.scaled(9).threshold for rule in rules] == [1.0, 0.01, 1.0]
    assert [rule.scaled(0).prunes for rule in rules] == [False] * 3
