"""Where compaction is placed: what the options mean, and that `auto` is the cheapest choice."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ltp_deploy.compiler.cost import GpuCost, layer_time
from ltp_deploy.compiler.placement import place
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.compiler.t4 import T4
from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import EncoderConfig
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from tests.model.problems import tiny_encoder

NONE, TOP = LayerRule(Mode.NONE), LayerRule(Mode.TOPK, 0.5)
A, S, F, B = Carry.ALL, Carry.SURVIVORS, Carry.FIRST, Carry.BOUNDED
CONFIG = tiny_encoder(PrunePolicy((NONE, TOP, TOP, TOP))).config
PROFILE = SurvivorProfile.assumed(CONFIG.policy, 12)
# RoBERTa-base, as in the published figures
BASE = replace(
    tiny_encoder(PrunePolicy((TOP,) * 12)).config, hidden_size=768, intermediate_size=3072, heads=12
)


@pytest.mark.parametrize(
    ("compact", "survivors", "carries"),
    [
        ("auto", False, (A, S, S, F)),
        ("all", False, (A, S, S, F)),
        ("all", True, (A, S, S, S)),
        ("none", False, (A, A, A, F)),
        ("none", True, (A, A, A, A)),
        ("bounded", False, (A, B, B, F)),
        ("2", False, (A, A, S, F)),
        ("3,1", True, (A, S, A, S)),
    ],
)
def test_options_say_where_compaction_is(
    compact: str, survivors: bool, carries: tuple[Carry, ...]
) -> None:
    assert place(CONFIG, compact, survivors, None, PROFILE) == carries


@pytest.mark.parametrize(
    ("compact", "message"),
    [
        ("some", "give auto, all, none, bounded, or layers such as 2,5,8"),
        ("0", r"layer 0 cannot compact; .* can compact at \[1, 2\]"),
        ("1,9", "layer 9 cannot compact"),
        ("3", "layer 3 cannot compact"),  # carries the first token alone
        ("", "give auto"),
    ],
)
def test_an_impossible_compaction_is_refused(compact: str, message: str) -> None:
    with pytest.raises(LtpError, match=message):
        place(CONFIG, compact, False, T4, PROFILE)


def seconds(config: EncoderConfig, gpu: GpuCost, request: SurvivorProfile, compact: str) -> float:
    plan = make_plan(
        PlanRequest(config, "fp16", profile=request, compact=compact, gpu=gpu, usual_batch=4)
    )
    assert plan.prediction is not None
    return plan.prediction.seconds


@pytest.mark.parametrize("sync", [0.0, 1e-5, 3e-5, 1e-3])
@pytest.mark.parametrize("seed", range(4))
def test_auto_is_the_cheapest_of_all_choices(sync: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    layers = 6
    config = replace(BASE, layers=layers, policy=PrunePolicy((TOP,) * layers))
    alive = -np.sort(-random.integers(1, 129, (4, layers + 1)), axis=1)
    request = SurvivorProfile(alive, random.random((4, layers)) < 0.05)
    gpu = replace(T4, sync=sync)
    choices = [
        ",".join(map(str, chosen)) or "none"
        for count in range(layers)
        for chosen in itertools.combinations(range(layers - 1), count)
    ]
    best = min(seconds(config, gpu, request, choice) for choice in [*choices, "bounded"])
    assert seconds(config, gpu, request, "auto") == pytest.approx(best)


def test_slower_host_syncs_mean_fewer_compactions() -> None:
    request = SurvivorProfile.assumed(BASE.policy, 128).request(8)
    compactions = [
        place(BASE, "auto", False, replace(T4, sync=sync), request).count(S)
        for sync in (0.0, 3e-5, 1e-2)
    ]
    assert compactions[0] >= compactions[1] >= compactions[2] == 0


def test_fewer_rows_never_cost_more() -> None:
    times = [
        layer_time(T4, BASE, np.full(4, 128), np.full(4, out), Carry.SURVIVORS, True)
        for out in range(1, 129)
    ]
    assert times == sorted(times)


def test_a_request_is_picked_evenly_from_the_profile() -> None:
    alive = np.array([[n, n] for n in (50, 10, 30, 20, 40, 60)])
    profile = SurvivorProfile(alive, np.zeros((6, 1), bool))
    assert profile.request(3).alive[:, 0].tolist() == [20, 40, 60]
    assert profile.request(12).alive[:, 0].tolist() == sorted([10, 20, 30, 40, 50, 60] * 2)


def test_bounded_buffers_save_less_than_compaction_and_more_than_nothing() -> None:
    request = SurvivorProfile.assumed(BASE.policy, 384).request(4)
    none, bounded, everywhere = (
        seconds(BASE, replace(T4, sync=0.0, launch=0.0), request, c)
        for c in ("none", "bounded", "all")
    )
    assert everywhere < bounded < none
