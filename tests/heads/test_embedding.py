"""Vectors: cosines and losses against their definitions."""

import numpy as np
import pytest
import torch

from ltp_deploy.errors import LtpError
from ltp_deploy.model.config import Embedding
from tests.heads.models import a_head

HEAD = a_head("embedding", 32, embedding=Embedding("frozen", normalize=True))
LOOSE = a_head("embedding", 32, embedding=Embedding("frozen"))
RANDOM = np.random.default_rng(0)
FOUND, WANTED = RANDOM.normal(size=(2, 6, 32))


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_score_is_the_mean_cosine() -> None:
    cosines = (unit(FOUND) * unit(WANTED)).sum(1)
    assert HEAD.score(FOUND, WANTED) == ("cosine %", pytest.approx(100 * cosines.mean()))
    assert HEAD.score(5 * WANTED, WANTED)[1] == pytest.approx(100)
    assert HEAD.score(np.zeros((6, 32)), WANTED)[1] == 0


def test_the_loss_of_unit_vectors_is_what_their_cosine_lacks() -> None:
    found, wanted = torch.tensor(unit(FOUND)), torch.tensor(unit(WANTED))
    lacking = 1 - (found * wanted).sum(1).mean()
    torch.testing.assert_close(HEAD.loss(found, wanted), lacking)
    torch.testing.assert_close(HEAD.distillation(found, wanted), lacking)
    wide = HEAD.loss(3 * wanted, wanted)  # (3 - 1)^2 / 2: length counts where vectors have one
    torch.testing.assert_close(wide, torch.tensor(2.0, dtype=wide.dtype))


def test_texts_are_compared_by_their_cosines_with_each_other() -> None:
    values, groups = HEAD.values(FOUND, [])
    table = unit(FOUND) @ unit(FOUND).T
    expected = [table[i, j] for i in range(6) for j in range(6) if i != j]
    np.testing.assert_allclose(values, expected)
    assert groups.tolist() == [i for i in range(6) for _ in range(5)]


def test_windows_are_averaged() -> None:
    windows = np.array([2, 4])
    means = np.array([FOUND[:2].mean(0), FOUND[2:].mean(0)])
    np.testing.assert_allclose(LOOSE.pool(FOUND, windows), means, rtol=1e-5)
    np.testing.assert_allclose(HEAD.pool(FOUND, windows), unit(means), rtol=1e-5)


def test_labels_say_nothing_of_vectors() -> None:
    with pytest.raises(LtpError, match="answers with vectors, which labels say nothing of"):
        HEAD.targets([1.0])
    with pytest.raises(LtpError, match="labels say nothing of an embedding"):
        HEAD.outputs_for([1.0])
    assert HEAD.labels(FOUND) is None
    assert HEAD.flips(FOUND, WANTED) is None
