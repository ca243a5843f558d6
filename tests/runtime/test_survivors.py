"""Which tokens are alive after each layer, from bundles that were built without saying so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import BundleError
from ltp_deploy.runtime.engine import load
from tests.answers import as_lists, assert_as_oracle, batch_for, random_batch

POLICIES = ("absolute", "relative", "topk", "mixed", "reference")


@pytest.mark.parametrize(
    ("policy", "compact"), [*product(POLICIES, ["auto", "none", "1"]), (None, "auto")]
)
def test_survivors_are_the_oracles_in_every_layer(
    policy: str | None,
    compact: str,
    checkpoint_of: Callable[..., Path],
    bundle_of: Callable[..., Path],
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    encoder = load_encoder(checkpoint)
    bundle = bundle_of(checkpoint, survivors=False, compact=compact)
    with load(bundle, survivors=True) as engine:
        assert_as_oracle(engine, encoder, batch_for(encoder))


@pytest.mark.parametrize("policy", POLICIES)
def test_they_are_those_of_a_bundle_that_was_built_to_report_them(
    policy: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("bert", policy)
    built = load(bundle_of(checkpoint))
    asked = load(bundle_of(checkpoint, survivors=False), survivors=True)
    assert built.survivors
    assert asked.survivors
    for seed in range(3):
        batch = random_batch(np.random.default_rng(seed).integers(1, 41, 30), seed)
        expected, found = built.run(batch), asked.run(batch)
        assert as_lists(found.survivors) == as_lists(expected.survivors)
        assert expected.alive is not None
        np.testing.assert_array_equal(found.alive, expected.alive)


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8-dynamic"])
@pytest.mark.parametrize("policy", ["absolute", "topk", "reference"])
def test_reporting_changes_no_decision(
    policy: str, precision: str, checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(checkpoint_of("bert", policy), precision=precision, survivors=False)
    plain, counting = load(bundle), load(bundle, alive=True)
    reporting = load(bundle, survivors=True)
    for seed in range(3):
        batch = random_batch(np.random.default_rng(seed).integers(1, 41, 30), seed)
        expected, counted, found = plain.run(batch), counting.run(batch), reporting.run(batch)
        # More rows in the last layer: f32 may round there otherwise.
        np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-5)
        assert expected.survivors is None
        assert found.alive is not None
        assert counted.alive is not None
        np.testing.assert_array_equal(found.alive[:, :-1], counted.alive[:, :-1])
        assert found.alive[:, -1].sum() < found.alive[:, -2].sum()


def test_the_dial_turns_them_too(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> None:
    bundle, batch = bundle_of(bert_checkpoint, survivors=False), random_batch(range(1, 41))
    kept = []
    for factor in (0.0, 0.7, 1.5):
        expected = load(bundle_of(bert_checkpoint), pruning=factor).run(batch)
        found = load(bundle, pruning=factor, survivors=True).run(batch)
        assert as_lists(found.survivors) == as_lists(expected.survivors)
        assert found.alive is not None
        kept.append(int(found.alive.sum()))
    assert kept[0] == 3 * batch.lengths.sum()
    assert kept[0] > kept[1] > kept[2]


def test_engines_that_cannot_report_say_so(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    bundle = bundle_of(bert_checkpoint, "torchscript", survivors=False)
    with pytest.raises(BundleError, match=r"runs in torchscript, .* built with `--outputs surv"):
        load(bundle, survivors=True)
    with pytest.raises(BundleError, match="in windows a text is several"):
        load(bundle_of(bert_checkpoint, survivors=False), survivors=True, long_texts="window")


def test_a_variant_is_the_same_bundle_with_the_pruning_that_is_asked_for(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = shutil.copytree(bundle_of(bert_checkpoint, survivors=False), tmp_path / "bundle")
    batch = random_batch([3, 9, 25])
    with load(bundle, pruning=1.5, threads=1) as engine:
        with engine.variant(survivors=True) as reporting:
            assert reporting.pruning == 1.5
            found = reporting.run(batch)
            with load(bundle, pruning=1.5, survivors=True) as expected:
                assert as_lists(found.survivors) == as_lists(expected.run(batch).survivors)
        with engine.variant(pruning=False) as dense, load(bundle, pruning=False) as expected:
            np.testing.assert_array_equal(dense.run(batch).logits, expected.run(batch).logits)
        shutil.rmtree(bundle)
        shutil.copytree(bundle_of(bert_checkpoint, survivors=False, max_length=12), bundle)
        with pytest.raises(BundleError, match="was replaced after it was loaded"):
            engine.variant()
