"""Masks in training: soft ones follow the published formula, hard ones prune as inference."""

import numpy as np
import pytest
import torch

from ltp_deploy.data.batch import PackedBatch
from ltp_deploy.learn.masks import Dense, Hard, Mask, Soft
from ltp_deploy.learn.model import Learner, Objective, compacted
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.model.oracle import masked_forward
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.answers import random_batch
from tests.model.problems import tiny_encoder

NONE, RISING = LayerRule(Mode.NONE), LayerRule(Mode.ABSOLUTE, 0.1)
LENGTHS = (9, 3, 1, 14)


def padded(batch: PackedBatch, width: int = 0) -> dict[str, torch.Tensor]:
    """The arguments of `Learner.forward` for a batch, padded to at least `width` tokens."""
    ids, types, mask = batch.padded(0)
    more = max(0, width - ids.shape[1])
    arrays = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask.astype(int)}
    return {name: torch.from_numpy(np.pad(a, ((0, 0), (0, more)))) for name, a in arrays.items()}


def learner(
    mask: Mask, objective: Objective | None = None, encoder: Encoder | None = None
) -> Learner:
    encoder = encoder or tiny_encoder(PrunePolicy((NONE, RISING, RISING)))
    return Learner(encoder, mask, objective)


@pytest.mark.parametrize("keep_first", [True, False])
@pytest.mark.parametrize("score_length", [0, 20])
def test_the_soft_mask_follows_the_published_formula(keep_first: bool, score_length: int) -> None:
    policy = PrunePolicy((NONE, RISING), score_length, keep_first)
    soft = Soft(policy, temperature=0.05)
    encoder = tiny_encoder(policy)
    score = torch.rand(2, 5) * 4
    alive = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    lengths = alive.sum(1)
    kept, weight = soft(1, encoder.layers[1], score, alive, lengths)
    assert kept is alive  # soft training drops nothing
    for b in range(2):
        for i in range(5):
            denominator = 2 * (score_length or lengths[b].item())
            expected = 1 / (1 + np.exp(-(score[b, i].item() / denominator - 0.1) / 0.05))
            if not alive[b, i]:
                expected = 0.0
            elif keep_first and i == 0:
                expected = 1.0
            assert weight[b, i].item() == pytest.approx(expected, abs=1e-6)


def test_the_soft_mask_leaves_the_first_layer_alone() -> None:
    policy = PrunePolicy((RISING, RISING))
    soft = Soft(policy, 0.01)
    alive = torch.ones(1, 4).bool()
    layer = tiny_encoder(policy).layers[0]
    assert soft(0, layer, torch.zeros(1, 4), alive, torch.tensor([4]))[1].tolist() == [[1.0] * 4]
    assert not soft.binarised().layers[0].prunes
    assert soft.binarised().layers[1] == LayerRule(Mode.ABSOLUTE, pytest.approx(0.1))


def test_a_learned_threshold_below_zero_prunes_nothing() -> None:
    soft = Soft(PrunePolicy((NONE, RISING, RISING)), 0.01)
    soft.thresholds.data = torch.tensor([0.0, -0.02, 0.3])
    assert [rule.prunes for rule in soft.binarised().layers] == [False, False, True]


def test_the_soft_loss_has_gradients_through_scores_and_thresholds() -> None:
    policy = PrunePolicy((NONE, RISING, RISING))
    soft = Soft(policy, temperature=0.05)
    model = learner(soft, Objective(regularisation=0.3)).train()
    model.encoder.requires_grad_(True)
    labels = torch.tensor([0, 1, 2, 0])
    batch = padded(random_batch(LENGTHS, vocabulary=60))
    loss = model(**batch, labels=labels)["loss"]
    loss.backward()
    assert soft.thresholds.grad[0] == 0
    assert (soft.thresholds.grad[1:] != 0).all()
    # The queries of the last layer act on the answer through nothing but attention and scores.
    assert model.encoder.layers[2].query.weight.grad.abs().max() > 0
    # A finite difference says the same as the gradient.
    for i in (1, 2):
        step = 1e-3
        values = []
        for sign in (-1, 1):
            moved = soft.thresholds.detach().clone()
            moved[i] += sign * step
            with torch.no_grad():
                soft.thresholds.copy_(moved)
                values.append(model(**batch, labels=labels)["loss"].item())
                moved[i] -= sign * step
                soft.thresholds.copy_(moved)
        slope = (values[1] - values[0]) / (2 * step)
        assert slope == pytest.approx(soft.thresholds.grad[i].item(), rel=0.05, abs=1e-3)


def test_the_regulariser_does_not_count_padding() -> None:
    model = learner(Soft(PrunePolicy((NONE, RISING, RISING)), 0.05)).eval()
    batch = random_batch(LENGTHS, vocabulary=60)
    narrow, wide = (model(**padded(batch, width)) for width in (0, 40))
    torch.testing.assert_close(narrow["kept"], wide["kept"])
    torch.testing.assert_close(narrow["logits"], wide["logits"], atol=1e-5, rtol=1e-5)
    alone = [model(**padded(batch.select([i])))["kept"] for i in range(4)]
    torch.testing.assert_close(narrow["kept"], torch.cat(alone))
    labels = torch.zeros(4, dtype=torch.long)
    for width in (0, 40):
        inputs = {**padded(batch, width), "labels": labels}
        without = model.eval()(**inputs)["loss"]
        model.objective = Objective(regularisation=0.3)
        penalty = model.train()(**inputs)["loss"] - without
        mean = narrow["kept"].sum() / sum(LENGTHS)
        torch.testing.assert_close(penalty, 0.3 * mean, atol=1e-5, rtol=1e-4)


def test_regularisation_ends_at_the_flops_ratio() -> None:
    soft = Soft(PrunePolicy((NONE, RISING, RISING)), 0.05)
    model = learner(soft, Objective(0.3, flops_ratio=1.2)).train()
    inputs = {**padded(random_batch(LENGTHS, vocabulary=60)), "labels": torch.zeros(4).long()}

    def penalty() -> float:
        costing = model.train()(**inputs)["loss"]
        return (costing - model.eval()(**inputs)["loss"]).item()

    soft.thresholds.data[:] = -1.0
    assert penalty() == pytest.approx(0.3 * 3, rel=1e-3)
    soft.thresholds.data[:] = 1.0
    assert penalty() == pytest.approx(0.0, abs=1e-6)


RULES = [
    PrunePolicy((NONE, LayerRule(Mode.ABSOLUTE, 0.12), LayerRule(Mode.ABSOLUTE, 0.2)), 6, True),
    PrunePolicy((LayerRule(Mode.ABSOLUTE, 0.1),) * 3, 0, False),
    PrunePolicy((LayerRule(Mode.TOPK, 0.8), LayerRule(Mode.TOPK, 0.5), LayerRule(Mode.TOPK, 0.3))),
    PrunePolicy((LayerRule(Mode.RELATIVE, 0.4),) * 3, 0, False),
]


@pytest.mark.parametrize("policy", RULES, ids=str)
def test_the_hard_mask_gives_the_answers_of_the_oracle(policy: PrunePolicy) -> None:
    encoder = tiny_encoder(policy)
    batch = padded(random_batch(LENGTHS, vocabulary=60))
    oracle = masked_forward(
        encoder, batch["input_ids"], batch["token_type_ids"], batch["attention_mask"].bool()
    )
    assert oracle.survivors[:, -1].sum() < sum(LENGTHS)
    found = learner(Hard(policy), encoder=encoder).eval()(**batch)
    torch.testing.assert_close(found["logits"], oracle.logits, atol=1e-5, rtol=1e-5)
    assert torch.equal(found["kept"], oracle.survivors.sum(2))
    dense = learner(Dense(), encoder=encoder).eval()(**batch)["logits"]
    assert (dense - oracle.logits).abs().max() > 1e-4


def test_compaction_moves_kept_tokens_left_and_cuts_the_rest() -> None:
    alive = torch.tensor([[0, 1, 0, 1, 0], [1, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    state = torch.arange(15.0).reshape(3, 5, 1)
    kept, moved = compacted(alive, state)
    assert kept.tolist() == [[False, True, True], [True, True, False], [False] * 3]
    assert moved[0, :, 0].tolist() == [0, 1, 3]
    assert moved[1, :2, 0].tolist() == [5, 9]
    assert moved[2, 0, 0] == 10
    full = torch.ones(3, 5).bool()
    assert compacted(full, state)[1] is state
