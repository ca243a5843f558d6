"""What config.json says of the scale of a reranker's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.checkpoint.answers import read_activation
from ltp_deploy.errors import CheckpointError
from tests.tiny import save_tiny


def named(name: Any) -> dict[str, Any]:
    return {"sentence_transformers": {"activation_fn": name, "version": "5.1.0"}}


@pytest.mark.parametrize(
    ("config", "outputs", "expected"),
    [
        ({}, 1, "none"),
        (named("torch.nn.modules.activation.Sigmoid"), 1, "sigmoid"),
        (named("torch.nn.Tanh"), 1, "tanh"),
        (named("torch.nn.modules.linear.Identity"), 1, "none"),
        (named("torch.nn.modules.activation.Sigmoid"), 2, "none"),
        (named("my.own.Activation"), 2, "none"),
        ({"sentence_transformers": {"version": "5.1.0"}}, 1, "none"),
        ({"sentence_transformers": None}, 1, "none"),
        ({"sbert_ce_default_activation_function": "torch.nn.modules.activation.Tanh"}, 1, "tanh"),
    ],
)
def test_an_activation_is_read(config: dict, outputs: int, expected: str) -> None:
    assert read_activation(config, outputs) == expected


@pytest.mark.parametrize("name", ["my.own.Sigmoid", "torch.nn.ReLU", "Sigmoid", 5])
def test_another_activation_is_refused_by_name(name: Any, tmp_path: Path) -> None:
    checkpoint = save_tiny(tmp_path, "bert", labels=1, **named(name))
    with pytest.raises(CheckpointError, match=rf"activation {name!r} of sentence-transformers is"):
        load_encoder(checkpoint)
