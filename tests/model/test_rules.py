"""The keep rule is written down twice, in the op's reference and in the oracle, and the policy says
which rules prune nothing: all three agree, at the thresholds where they might not as well."""

import pytest
import torch
from torch import Tensor

from ltp_deploy.model.oracle import decide
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from ltp_deploy.model.reference import survivors_of

HEADS = 2
SCORES = {  # summed over 2 heads and as many queries as tokens
    "distinct": [0.5, 3.0, 0.25, 1.5, 4.75],
    "tied": [2.0, 2.0, 2.0, 2.0, 2.0],
    "zero": [0.0, 5.0, 0.0, 5.0, 0.0],
    "one token": [2.0],
}
THRESHOLDS = {
    Mode.NONE: [0.0, 0.5],
    Mode.ABSOLUTE: [-1.0, -0.0, 0.0, 1e-9, 0.2, 9.0],
    Mode.RELATIVE: [-1.0, -0.0, 0.0, 1e-9, 0.5, 1.0, 1.5],
    Mode.TOPK: [0.0, 0.3, 0.5, 1.0],
}
RULES = [LayerRule(mode, value) for mode, values in THRESHOLDS.items() for value in values]


def by_reference(rule: LayerRule, policy: PrunePolicy, score: Tensor, length: int) -> list[bool]:
    keep = survivors_of(
        score,
        length,
        HEADS,
        int(rule.mode),
        rule.threshold,
        policy.score_length,
        policy.keep_first,
    )
    return keep.tolist()


def by_oracle(rule: LayerRule, policy: PrunePolicy, score: Tensor, length: int) -> list[bool]:
    alive = torch.ones(1, len(score), dtype=torch.bool)
    keep, _ = decide(rule, policy, HEADS, score[None], alive, torch.tensor([length]))
    return keep[0].tolist()


@pytest.mark.parametrize("keep_first", [True, False])
@pytest.mark.parametrize("score_length", [0, 128])
@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.mode.name}-{rule.threshold}")
def test_reference_oracle_and_policy_agree(
    rule: LayerRule, scores: str, score_length: int, keep_first: bool
) -> None:
    policy = PrunePolicy((rule,), score_length, keep_first)
    score = torch.tensor(SCORES[scores])
    for length in (len(score), len(score) + 3):  # tokens that earlier layers pruned count as well
        kept = by_reference(rule, policy, score, length)
        assert kept == by_oracle(rule, policy, score, length)
        if not rule.prunes:
            assert all(kept)


def test_every_kind_of_rule_that_prunes_prunes_something() -> None:
    """The table would prove little if its thresholds lay beyond all scores."""
    score = torch.tensor(SCORES["distinct"])
    pruned = {
        rule.mode
        for rule in RULES
        if not all(by_reference(rule, PrunePolicy((rule,)), score, len(score)))
    }
    assert pruned == {Mode.ABSOLUTE, Mode.RELATIVE, Mode.TOPK}
