"""A checkpoint written back is read by transformers and by us as the same model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.save import save_encoder
from ltp_deploy.model.policy import LayerRule, Mode, PrunePolicy
from tests.answers import batch_for, packed_answers
from tests.checkpoint.test_families import transformers_logits
from tests.tiny import FAMILIES

POLICY = PrunePolicy((LayerRule(Mode.TOPK, 0.5),) * 3, score_length=9, keep_first=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_policy_come_back(
    family: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = checkpoint_of(family)
    dense = load_encoder(source)
    save_encoder(dense.with_policy(POLICY), source, tmp_path / "out")

    found = load_encoder(tmp_path / "out")
    assert found.config.policy == POLICY
    for name, tensor in dense.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    batch = batch_for(dense)
    np.testing.assert_allclose(
        transformers_logits(tmp_path / "out", dense, batch),
        packed_answers(dense, dense, batch)[0],
        atol=1e-5,
    )


def test_the_tokenizer_comes_along(bert_checkpoint: Path, tmp_path: Path) -> None:
    save_encoder(load_encoder(bert_checkpoint), bert_checkpoint, tmp_path / "out")
    for name in ("vocab.txt", "tokenizer_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (bert_checkpoint / name).read_bytes()


@pytest.mark.parametrize("mode", ["topk", "absolute_threshold"])
def test_the_released_format_keeps_its_weights_and_gets_an_entry_for_the_policy(
    mode: str, checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = checkpoint_of("ltp", mode)
    encoder = load_encoder(source)
    policy = replace(POLICY, layers=POLICY.layers[:1] * encoder.config.layers)
    save_encoder(encoder.with_policy(policy), source, tmp_path / "out")
    found = load_encoder(tmp_path / "out")
    assert found.config.policy == policy
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
