"""The checkpoint that a bundle was built from, under the conventions of the build."""

from collections.abc import Callable
from pathlib import Path

from ltp_deploy.runtime.engine import load
from ltp_deploy.verification.source import as_built, load_source


def test_what_the_checkpoint_leaves_undecided_is_as_it_was_built(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("ltp", "absolute_threshold", scoring_mode="mean_norm")
    engine = load(bundle_of(checkpoint, "null", score_length=77))
    encoder, overrides = as_built(load_source(engine, checkpoint), engine)
    assert encoder.config.policy.score_length == 77
    assert overrides == []


def test_what_the_build_overrode_is_said(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    checkpoint = checkpoint_of("ltp", "absolute_threshold")
    engine = load(bundle_of(checkpoint, "null", score_length=77))
    encoder, overrides = as_built(load_source(engine, checkpoint), engine)
    assert encoder.config.policy.score_length == 77
    assert overrides == ["score_length is 77 in the bundle, 128 in the checkpoint"]
