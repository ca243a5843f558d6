"""Rerankers: scores worked out by hand, losses against NumPy, and which metric counts."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.tune.interval import drop_interval, points_lost
from tests.heads.models import a_head

pytest.importorskip("ir_measures", reason="ir_measures is not installed")

HEAD = a_head("ranking", 1)
TEXTS = [("who", "a"), ("what", "b"), ("who", "c"), ("what", "d"), ("who", "e")]
LABELS = ["1", 0, "0", 1.0, "0"]
# "who" ranks c a e, "what" ranks d b.
LOGITS = np.array([[2.0], [-1], [3], [0], [1]], np.float32)
TARGETS = HEAD.targets(LABELS, TEXTS)
PLAIN = HEAD.targets(LABELS, [(f"query {i}", "text") for i in range(5)])


def test_targets_are_the_relevance_and_the_query() -> None:
    assert TARGETS.tolist() == [[1, 0], [0, 1], [0, 0], [1, 1], [0, 0]]
    assert HEAD.units(TARGETS).tolist() == [0, 1, 0, 1, 0]
    assert HEAD.targets(["0.5", 3])[:, 1].tolist() == [0, 0], "without texts all are of one query"
    assert a_head("regression", 1).units(np.array([5.0, 5.0])).tolist() == [0, 1]
    with pytest.raises(LtpError, match="row 2 has the label 'good', the model gives numbers"):
        HEAD.targets(["1", "good"])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (None, (1 / math.log2(3) + 1) / 2),
        ("ndcg@10", (1 / math.log2(3) + 1) / 2),
        ("mrr@10", (1 / 2 + 1) / 2),
        ("pearson", np.corrcoef([2, -1, 3, 0, 1], [1, 0, 0, 1, 0])[0, 1]),
        ("spearman", np.corrcoef([4, 1, 5, 2, 3], [4.5, 2, 2, 4.5, 2])[0, 1]),
    ],
)
def test_scores(metric: str | None, value: float) -> None:
    name, found = HEAD.score(LOGITS, TARGETS, metric)
    assert (name, found) == (f"{metric or 'ndcg@10'} %", pytest.approx(100 * value))
    assert all(HEAD.defined(name, TARGETS) for name in HEAD.metrics)


def test_a_verification_judges_ndcg_and_mrr() -> None:
    assert list(HEAD.scores(LOGITS, TARGETS)) == ["ndcg@10 %", "mrr@10 %"]
    assert list(HEAD.scores(LOGITS, TARGETS, "mrr@10")) == ["mrr@10 %"]
    graded = HEAD.targets([1, 2, 3, 1, 2], TEXTS)  # no passage is irrelevant
    assert list(HEAD.scores(LOGITS, graded)) == ["ndcg@10 %"]
    with pytest.raises(LtpError, match="f1 is no metric for a ranking score; there are ndcg@10"):
        HEAD.score(LOGITS, TARGETS, "f1")


def test_without_passages_to_rank_correlation_counts() -> None:
    assert list(HEAD.scores(LOGITS, PLAIN)) == ["pearson %"]
    assert HEAD.score(LOGITS, PLAIN)[0] == "pearson %"
    why = "no query has passages of different relevance: what counts is pearson"
    assert HEAD.remark("pearson", PLAIN) == f"ndcg@10 is undefined here, since {why}"
    assert HEAD.remark("ndcg@10", TARGETS) == HEAD.remark("pearson", TARGETS) == ""
    for metric in ("ndcg@10", "mrr@10"):
        assert not HEAD.defined(metric, PLAIN)
        with pytest.raises(LtpError, match=r"@10 is undefined: no query has passages of different"):
            HEAD.score(LOGITS, PLAIN, metric)
    same = HEAD.targets([1, 1], TEXTS[:2])
    with pytest.raises(LtpError, match="pearson is undefined where all labels are the same, 1"):
        HEAD.score(LOGITS[:2], same)


def test_of_a_teachers_probabilities_correlation_counts() -> None:
    """To MRR every one of them would be relevant."""
    given = HEAD.targets([0.9, 0, 0.2, 0.7, 0], TEXTS)
    assert HEAD.defined("mrr@10", given)
    assert list(HEAD.scores(LOGITS, given)) == ["pearson %"]
    assert "since labels are no whole numbers: what counts is pearson" in HEAD.remark(
        "pearson", given
    )
    with pytest.raises(
        LtpError, match=r"NDCG@10 takes labels that are whole numbers .* found 0\.9"
    ):
        HEAD.score(LOGITS, given, "ndcg@10")
    assert HEAD.score(LOGITS, given, "mrr@10")[1] == 100


def test_an_interval_and_its_drop_are_of_one_metric() -> None:
    other = LOGITS.copy()
    other[[0, 2]] = other[[2, 0]]
    low, high = drop_interval(HEAD, TARGETS, other, LOGITS, None)
    assert low < 100 * (1 - (1 / math.log2(3) + 1) / 2) < high
    assert drop_interval(HEAD, TARGETS, other, LOGITS, "ndcg@10") == (low, high)
    found = drop_interval(HEAD, PLAIN, other, LOGITS, None)
    assert found == drop_interval(HEAD, PLAIN, other, LOGITS, "pearson")
    assert points_lost(HEAD, PLAIN, other, LOGITS, None) == pytest.approx(
        points_lost(HEAD, PLAIN, other, LOGITS, "pearson")
    )


def test_plain_pairs_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    unseen = HEAD.targets([1, 0, 1], [("x", "a"), ("y", "b"), ("z", "c")])
    assert HEAD.score(LOGITS[:3], unseen)[0] == "pearson %"
    with pytest.raises(LtpError, match=r"needs the library ir_measures: .*\[ranking\]"):
        HEAD.score(LOGITS[:3], HEAD.targets([1, 0, 1]))


def test_what_a_model_ranks_first_is_what_others_must_find() -> None:
    targets = HEAD.targets_of_answers(LOGITS, TEXTS)
    assert targets.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 0]]
    assert HEAD.score(LOGITS, targets) == ("ndcg@10 %", 100)
    tied = np.array([[2], [0], [2], [0], [1]], np.float32)
    assert HEAD.targets_of_answers(tied, TEXTS).tolist() == [[1, 0], [1, 1], [1, 0], [1, 1], [0, 0]]
    assert HEAD.score(tied, HEAD.targets_of_answers(tied, TEXTS))[1] == 100
    by_value = HEAD.targets_of_answers(LOGITS, TEXTS, "spearman")
    assert by_value.tolist() == [[2, 0], [-1, 1], [3, 0], [0, 1], [1, 0]]
    alone = HEAD.targets_of_answers(LOGITS, ["a", "b", "c", "d", "e"])
    assert alone.tolist() == [[2, 0], [-1, 1], [3, 2], [0, 3], [1, 4]]
    assert HEAD.score(LOGITS, alone) == ("pearson %", pytest.approx(100))
    with pytest.raises(LtpError, match="MRR@10 is undefined: no query has passages of different"):
        HEAD.score(LOGITS, HEAD.targets_of_answers(LOGITS, list("abcde"), "mrr@10"), "mrr@10")


def test_the_loss_is_binary_cross_entropy() -> None:
    chance = 1 / (1 + np.exp(-LOGITS[:, 0].astype(float)))
    for relevance in (TARGETS[:, 0], np.array([0.1, 0.9, 0.5, 0, 1])):
        targets = torch.tensor(np.stack([relevance, TARGETS[:, 1]], 1))
        expected = -(relevance * np.log(chance) + (1 - relevance) * np.log(1 - chance)).mean()
        assert HEAD.loss(torch.tensor(LOGITS), targets).item() == pytest.approx(expected, rel=1e-5)


def test_distillation_keeps_the_order_where_the_sigmoid_is_flat() -> None:
    teacher = torch.tensor([[10.0], [8.0], [-9.0]])
    swapped = teacher[[1, 0, 2]]
    assert HEAD.distillation(teacher, teacher).item() == 0
    assert HEAD.distillation(swapped, teacher).item() == pytest.approx(8 / 3)


def test_labels_beyond_probabilities_are_judged_but_not_trained_on() -> None:
    assert HEAD.untrainable(HEAD.targets([0, 1, 0.5])) == ""
    for label in (2, -0.5):
        found = HEAD.untrainable(HEAD.targets([0, label, 7]))
        assert f"row 2 of the training data has the label {label}, and a reranker is" in found
        assert "scale them to that. Where the output is a value" in found
        assert '"problem_type": "regression" into config.json' in found
    assert a_head("regression", 1).untrainable(np.array([5.0])) == ""
