"""What the compiler decides, and what it expects that to cost."""

import json

import numpy as np
import pytest

from ltp_deploy.codec import to_json
from ltp_deploy.compiler.passes import output_names
from ltp_deploy.compiler.plan import PlanRequest, make_plan
from ltp_deploy.model.flops import engine_flops
from ltp_deploy.model.policy import Carry, LayerRule, Mode, PrunePolicy
from ltp_deploy.model.survivors import SurvivorProfile
from tests.model.problems import tiny_encoder

NONE, TOP = LayerRule(Mode.NONE), LayerRule(Mode.TOPK, 0.5)


@pytest.mark.parametrize(
    ("rules", "survivors", "carries"),
    [
        ((TOP, TOP, TOP), False, (Carry.SURVIVORS, Carry.SURVIVORS, Carry.FIRST)),
        ((TOP, TOP, TOP), True, (Carry.SURVIVORS, Carry.SURVIVORS, Carry.SURVIVORS)),
        ((NONE, TOP, NONE), False, (Carry.ALL, Carry.SURVIVORS, Carry.FIRST)),
        ((NONE, TOP, NONE), True, (Carry.ALL, Carry.SURVIVORS, Carry.ALL)),
        ((NONE, NONE), False, (Carry.ALL, Carry.FIRST)),
        ((LayerRule(Mode.TOPK, 1.0), TOP), False, (Carry.ALL, Carry.FIRST)),
        ((LayerRule(Mode.RELATIVE, 0.0), TOP), True, (Carry.ALL, Carry.SURVIVORS)),
    ],
    ids=str,
)
def test_layers_that_prune_compact_and_the_last_carries_first_tokens(
    rules: tuple[LayerRule, ...], survivors: bool, carries: tuple[Carry, ...]
) -> None:
    plan = make_plan(
        PlanRequest(tiny_encoder(PrunePolicy(rules)).config, "f32", survivors=survivors)
    )
    assert tuple(layer.carry for layer in plan.layers) == carries
    scored = [
        rule.prunes and carry is not Carry.FIRST for rule, carry in zip(rules, carries, strict=True)
    ]
    assert [layer.scores for layer in plan.layers] == scored


def test_survivors_are_reported_for_layers_that_prune() -> None:
    config = tiny_encoder(PrunePolicy((NONE, TOP, NONE))).config
    assert output_names(make_plan(PlanRequest(config, "f32", survivors=False))) == ["logits"]
    assert output_names(make_plan(PlanRequest(config, "f32", survivors=True))) == [
        "logits",
        "survivors.1.kept",
        "survivors.1.offsets",
        "survivors.1.alive",
    ]


def test_a_profile_gives_expected_tokens_and_work() -> None:
    config = tiny_encoder(PrunePolicy((TOP, TOP))).config
    profile = SurvivorProfile(np.array([[8, 4, 2], [4, 2, 1]]), np.zeros((2, 2), bool))
    plan = make_plan(PlanRequest(config, "f32", profile=profile))
    assert [(layer.entering, layer.carried) for layer in plan.layers] == [(6.0, 3.0), (3.0, 1.0)]
    carries = (Carry.SURVIVORS, Carry.FIRST)
    assert [layer.flops for layer in plan.layers] == engine_flops(
        config, np.array([[8, 4, 1], [4, 2, 1]]), carries
    )


def test_a_plan_is_plain_data() -> None:
    plan = make_plan(PlanRequest(tiny_encoder(PrunePolicy((TOP, NONE))).config, "bf16"))
    data = json.loads(json.dumps(to_json(plan.record())))
    assert [layer["carry"] for layer in data["layers"]] == ["survivors", "first"]
    assert [layer["rule"] for layer in data["layers"]] == ["topk 0.5", "none"]
    assert {layer["precision"] for layer in data["layers"]} == {"bf16"}
