"""Heads of models whose shape does not matter."""

from __future__ import annotations

from typing import Any

from ltp_deploy.heads import Head, head_of
from ltp_deploy.model.policy import PrunePolicy
from tests.model.problems import tiny_encoder


def a_head(name: str, outputs: int = 2, **changes: Any) -> Head:
    """The head of that name; `changes` to the model's `EncoderConfig`."""
    policy = PrunePolicy.dense(1)
    return head_of(tiny_encoder(policy, num_labels=outputs, head=name, **changes).config)
