"""The pruning policies that checkpoints carry, to the last digit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.released import MODES, save_released
from tests.tiny import ALL_FAMILIES, edit_config, policy


def rules_of(tmp_path: Path, mode: str | None, **changes) -> list[LayerRule]:
    return list(load_encoder(save_released(tmp_path, mode, **changes)).config.policy.layers)


def test_absolute_thresholds_are_base_plus_learned(tmp_path: Path) -> None:
    learned = [0.0, 0.001, -0.002, -0.5, 0.0]
    rules = rules_of(tmp_path, "absolute_threshold", final_token_threshold=0.01, thresholds=learned)
    assert rules[0] == LayerRule(Mode.NONE)  # base 0, nothing learned: does not prune
    assert [rule.mode for rule in rules[1:]] == [Mode.ABSOLUTE] * 4
    expected = [0.002 + 0.001, 0.004 - 0.002, 1e-5, 0.008]
    np.testing.assert_allclose([rule.threshold for rule in rules[1:]], expected, rtol=1e-6)


def test_a_threshold_learned_in_layer_0_prunes_there(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "absolute_threshold", thresholds=[0.003, 0.0, 0.0, 0.0, 0.0])
    assert rules[0].mode is Mode.ABSOLUTE
    assert rules[0].threshold == pytest.approx(0.003, rel=1e-6)


def test_a_negative_threshold_of_layer_0_becomes_the_least_one(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "absolute_threshold", thresholds=[-0.003, 0.0, 0.0, 0.0, 0.0])
    assert rules[0].mode is Mode.ABSOLUTE
    assert rules[0].threshold == pytest.approx(1e-5, rel=1e-6)


def test_settings_are_also_read_from_prune_kwargs(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path, "threshold", token_threshold=None, prune_kwargs={"token_threshold": 0.25}
    )
    assert rules == [LayerRule(Mode.RELATIVE, 0.25)] * 5


def test_a_relative_threshold_holds_in_every_layer(tmp_path: Path) -> None:
    assert (
        rules_of(tmp_path, "threshold", token_threshold=0.04)
        == [LayerRule(Mode.RELATIVE, 0.04)] * 5
    )


def test_a_rising_threshold_grows_from_zero_by_layer(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "rising_threshold", final_token_threshold=0.5)
    assert [rule.mode for rule in rules] == [Mode.RELATIVE] * 5
    assert [rule.threshold for rule in rules] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert [rule.prunes for rule in rules] == [False, True, True, True, True]


@pytest.mark.parametrize(
    ("layers", "final_rate", "rates"),
    [
        (5, 0.3, [1, 1, 1, 0.65, 0.3]),
        (6, 0.1, [1, 1, 1, 0.7, 0.4, 0.1]),
        (3, 0.3, [1, 1, 1]),
        (5, 0.001, [1, 1, 1, 0.5005, 0.01]),  # never below 0.01
        (24, 0.2, [1] * 4 + [1 - 0.8 / 20 * k for k in range(1, 21)]),  # m = ceil(0.15 * 24) = 4
    ],
)
def test_top_k_rates_fall_linearly_after_the_first_layers(
    tmp_path: Path, layers: int, final_rate: float, rates: list[float]
) -> None:
    rules = rules_of(tmp_path, "topk", num_hidden_layers=layers, token_keep_rate=final_rate)
    found = [rule.threshold if rule.mode is Mode.TOPK else 1 for rule in rules]
    assert found == pytest.approx(rates, rel=1e-12)
    assert [rule.prunes for rule in rules] == [rate != 1 for rate in rates]


def test_a_final_keep_rate_below_zero_ends_at_the_least_rate(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "topk", token_keep_rate=-0.3)
    assert [rule.threshold for rule in rules[3:]] == pytest.approx([0.35, 0.01], rel=1e-12)


@pytest.mark.parametrize("mode", [None, False])
def test_no_prune_mode_is_a_dense_model(tmp_path: Path, mode: bool | None) -> None:
    assert rules_of(tmp_path, mode) == [LayerRule(Mode.NONE)] * 5


@pytest.mark.parametrize("mode", MODES)
def test_released_checkpoints_average_over_128_and_may_prune_the_first_token(
    tmp_path: Path, mode: str | None
) -> None:
    found = load_encoder(save_released(tmp_path, mode)).config.policy
    assert (found.score_length, found.keep_first) == (128, False)


@pytest.mark.parametrize("mode", MODES)
def test_the_first_name_of_the_released_format_is_read_alike(
    tmp_path: Path, mode: str | None
) -> None:
    expected = load_encoder(save_released(tmp_path, mode)).config
    edit_config(tmp_path, model_type="pibert", architectures=["PIBertForSequenceClassification"])
    assert load_encoder(tmp_path).config == expected


def in_prune_kwargs(setting: str) -> dict:
    return {"prune_kwargs": {"final_token_threshold": 0.01, "scoring_mode": setting}}


@pytest.mark.parametrize("changes", [{"scoring_mode": "mean"}, in_prune_kwargs("mean")])
def test_scoring_by_the_mean_is_the_average_over_128(tmp_path: Path, changes: dict) -> None:
    expected = load_encoder(save_released(tmp_path, "absolute_threshold")).config.policy
    edit_config(tmp_path, **changes)
    assert load_encoder(tmp_path).config.policy == expected
    assert expected.score_length == 128


@pytest.mark.parametrize("changes", [{"scoring_mode": "mean_norm"}, in_prune_kwargs("mean_norm")])
def test_scoring_by_a_length_that_versions_disagree_on_must_be_decided(
    tmp_path: Path, changes: dict
) -> None:
    save_released(tmp_path, "absolute_threshold", **changes)
    with pytest.raises(CheckpointError, match=r"'mean_norm'.*--score-length decides"):
        load_encoder(tmp_path)
    assert load_encoder(tmp_path, score_length="sequence").config.policy.score_length == 0
    assert load_encoder(tmp_path, score_length=77).config.policy.score_length == 77
    assert load_encoder(tmp_path, undecided_score_length=77).config.policy.score_length == 77


def test_a_length_for_what_is_undecided_overrides_nothing(tmp_path: Path) -> None:
    save_released(tmp_path, "absolute_threshold")
    assert load_encoder(tmp_path, undecided_score_length=77).config.policy.score_length == 128


@pytest.mark.parametrize("mode", ["threshold", "topk", None])
def test_the_denominator_of_scores_is_nothing_to_modes_that_compare_them(
    tmp_path: Path, mode: str | None
) -> None:
    load_encoder(save_released(tmp_path, mode, scoring_mode="mean_norm"))


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_our_policy_format_is_read_in_every_family(
    family: str, checkpoint_of: Callable[..., Path]
) -> None:
    found = load_encoder(checkpoint_of(family, "reference")).config.policy
    assert found == PrunePolicy(
        (
            LayerRule(Mode.ABSOLUTE, 0.05),
            LayerRule(Mode.RELATIVE, 0.3),
            LayerRule(Mode.ABSOLUTE, 0.05),
        ),
        score_length=20,
        keep_first=False,
    )


def test_one_mode_for_all_layers_may_be_said_shortly() -> None:
    short = {"mode": "relative", "thresholds": [None, 0.1, 0.2], "score_length": 9}
    long = policy(("none", 0.0), ("relative", 0.1), ("relative", 0.2), score_length=9)
    assert PrunePolicy.from_config(short, 3) == PrunePolicy.from_config(long, 3)


def test_conventions_default_to_the_papers() -> None:
    found = PrunePolicy.from_config({"mode": "absolute", "thresholds": [0.1]}, 1)
    assert (found.score_length, found.keep_first) == (0, True)


def test_a_policy_survives_writing_and_reading() -> None:
    original = PrunePolicy.from_config(
        policy(("topk", 0.123456789), ("none", 0.0), score_length=77, first_token="reference"), 2
    )
    assert PrunePolicy.from_config(original.to_config(), 2) == original


def test_conventions_can_be_overridden_by_hand(checkpoint_of: Callable[..., Path]) -> None:
    released = checkpoint_of("ltp", "absolute_threshold")
    found = load_encoder(released, score_length="64", first_token="keep").config.policy
    assert (found.score_length, found.keep_first) == (64, True)
    assert load_encoder(released, "sequence").config.policy.score_length == 0


@pytest.mark.parametrize("value", [0, -1, 1.5, "1.5", "many", True, None, [128], float("inf")])
def test_a_score_length_is_a_positive_integer_or_sequence(value) -> None:
    entry = {**policy(("none", 0.0)), "score_length": value}
    with pytest.raises(CheckpointError, match="score_length must be a positive integer"):
        PrunePolicy.from_config(entry, 1)


def test_an_entry_of_ours_takes_the_place_of_the_released_keys(tmp_path: Path) -> None:
    save_released(tmp_path, "threshold")
    edit_config(tmp_path, ltp=policy(*[("topk", 0.5)] * 5, score_length=9))
    found = load_encoder(tmp_path).config.policy
    assert {rule.mode for rule in found.layers} == {Mode.TOPK}
    assert (found.score_length, found.keep_first) == (9, True)
