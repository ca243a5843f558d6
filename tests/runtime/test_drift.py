"""Live counts against the profile that a bundle keeps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.builder.build import build
from ltp_deploy.builder.draft import Measured
from ltp_deploy.bundle.options import BuildOptions
from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.data.examples import DataOptions, read_examples
from ltp_deploy.errors import LtpError
from ltp_deploy.model.survivors import SurvivorProfile, SurvivorSummary
from ltp_deploy.parity.oracle_run import run_oracle
from ltp_deploy.parity.profile import ProfileData
from ltp_deploy.runtime.drift import LiveCounts
from ltp_deploy.runtime.engine import load
from tests.once import Once
from tests.spoil import edit_manifest
from tests.tiny import random_texts


@pytest.fixture(scope="module")
def profiled(checkpoint_of: Callable[..., Path], texts: Path, once: Once) -> Path:
    """A bundle whose plan rests on `texts`; sequences may finish."""
    checkpoint = checkpoint_of("bert", "reference")

    def make(directory: Path) -> None:
        measured = Measured(ProfileData(str(texts), DataOptions()))
        build(checkpoint, directory / "bundle", BuildOptions(), measured)

    return once(make, "profiled") / "bundle"


def test_a_bundle_keeps_the_shares_that_survive(
    profiled: Path, texts: Path, checkpoint_of: Callable[..., Path]
) -> None:
    engine = load(profiled)
    batch = engine.tokenize(read_examples(str(texts), DataOptions(), labels=False).texts)
    survivors = run_oracle(load_encoder(checkpoint_of("bert", "reference")), batch).survivors
    shares = np.array(
        [
            [sum(layer) / length if layer[0] else 0.0 for layer in layers]
            for layers, length in zip(survivors.tolist(), batch.lengths, strict=True)
        ]
    )
    assert (shares == 0).any()
    kept = engine.manifest.profile
    assert kept is not None
    assert (kept.sequences, kept.tokens) == (40, pytest.approx(batch.lengths.mean()))
    np.testing.assert_allclose(kept.kept, shares.mean(0))
    np.testing.assert_allclose(kept.deviation, shares.std(0, ddof=1))


def test_the_texts_of_the_profile_show_no_drift(profiled: Path, texts: Path) -> None:
    given = read_examples(str(texts), DataOptions(), labels=False).texts
    engine = load(profiled, alive=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(engine, given))
    found = engine.drift()
    profile = engine.manifest.profile
    assert profile is not None
    assert (found.sequences, found.profile_sequences) == (40, 40)
    assert found.tokens == found.profile_tokens == pytest.approx(profile.tokens)
    assert [layer.layer for layer in found.layers] == [0, 1]  # the last one's are not computed
    for layer in found.layers:
        assert layer.live == pytest.approx(layer.profile, abs=1e-9)
        assert (layer.difference, layer.z) == (0, 0)

    engine(["the"] * 200)
    after = engine.drift()
    assert after.sequences == 240
    assert after.tokens < found.tokens
    for layer, before in zip(after.layers, found.layers, strict=True):
        alone = engine(["the"]).alive[0, layer.layer] / 3  # type: ignore[index]
        assert layer.live == pytest.approx((40 * before.live + 200 * alone) / 240)
        assert layer.difference == pytest.approx(layer.live - layer.profile)
        assert layer.error == pytest.approx(profile.deviation[layer.layer] * sqrt(1 / 40 + 1 / 240))
        assert layer.z == pytest.approx(layer.difference / layer.error)
    assert max(abs(layer.z) for layer in after.layers) > 3


def test_other_texts_of_the_same_kind_show_none_either(profiled: Path) -> None:
    engine = load(profiled, alive=True)
    engine(random_texts(200, seed=99))
    assert max(abs(layer.z) for layer in engine.drift().layers) < 3


def test_a_spread_of_nothing_is_no_division_by_zero() -> None:
    counts = LiveCounts(2)
    counts.add(np.array([10, 20]), np.array([[5, 10], [10, 0]]))
    found = counts.against(SurvivorSummary(9, 12.0, (0.5, 0.5), (0.0, 0.0)), 2)
    assert (found.layers[0].difference, found.layers[0].z) == (0, 0)
    assert (found.layers[1].difference, found.layers[1].z) == (0, 0)
    counts.add(np.array([10]), np.array([[5, 10]]))
    assert counts.against(SurvivorSummary(9, 12.0, (0.5, 0.5), (0.0, 0.0)), 2).layers[1].z == inf


def test_a_summary_of_one_sequence_has_no_spread() -> None:
    profile = SurvivorProfile(np.array([[8, 4, 2]]), np.array([[False, True]]))
    assert profile.summary() == SurvivorSummary(1, 8.0, (0.5, 0.0), (0.0, 0.0))


def test_percentiles_of_shares_count_nothing_of_finished_sequences() -> None:
    alive = np.array([[10, 10, 8], [4, 2, 1], [8, 8, 8]])
    finished = np.array([[False, True], [False, False], [False, False]])
    found = SurvivorProfile(alive, finished).share_percentiles()
    assert found["p50"] == [1.0, 1.0, 0.25]
    assert found["p10"] == pytest.approx([1.0, 0.6, 0.05])
    assert found["p90"] == pytest.approx([1.0, 1.0, 0.85])


@pytest.mark.parametrize(
    ("profile", "options", "seen", "message"),
    [
        ("none", {"alive": True}, True, "has no profile to compare with; build it with --prof"),
        ("one", {"alive": True}, True, "has a profile of one sequence to compare with"),
        ("whole", {}, True, "was loaded without alive=True, so nothing was counted"),
        ("whole", {"alive": True, "pruning": 0.5}, True, "with pruning=0.5, and its profile is of"),
        ("whole", {"alive": True}, False, "has answered nothing yet"),
    ],
)
def test_what_cannot_be_compared_is_an_error(
    profile: str, options: dict, seen: bool, message: str, profiled: Path
) -> None:
    engine = load(profiled, **options)
    if profile != "whole":
        kept = replace(engine.manifest.profile, sequences=1) if profile == "one" else None
        engine.manifest = replace(engine.manifest, profile=kept)
    if seen:
        engine("a film")
    with pytest.raises(LtpError, match=message):
        engine.drift()


def test_a_profile_of_other_layers_is_refused(profiled: Path, tmp_path: Path) -> None:
    def spoil(manifest: dict) -> None:
        for name in ("kept", "deviation"):
            manifest["profile"][name].append(0.5)

    bundle = Path(shutil.copytree(profiled, tmp_path / "bundle"))
    edit_manifest(bundle, spoil)
    assert len(json.loads((bundle / "manifest.json").read_text())["profile"]["kept"]) == 4
    with pytest.raises(LtpError, match="a profile of 4 layers for 3"):
        load(bundle)
