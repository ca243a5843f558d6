"""What a model's answer is: one file per head, a line here, a test.

Everything that depends on the kind of answer is asked of the head: what labels mean, how answers
are scored, what training minimises, what counts as a changed answer.
"""

from __future__ import annotations

from ltp_deploy.heads.classification import Classification
from ltp_deploy.heads.head import Head
from ltp_deploy.heads.regression import Regression
from ltp_deploy.model.config import EncoderConfig

_ALL: tuple[Head, ...] = (Classification(), Regression())

HEADS = {head.name: head for head in _ALL}


def head_of(config: EncoderConfig) -> Head:
    """The head that a model's configuration names."""
    return HEADS[config.head]


def head_for(num_labels: int) -> str:
    """The name of the head of a checkpoint with so many outputs that says no more of itself: one
    output is a value, several are classes."""
    return Regression.name if num_labels == 1 else Classification.name


__all__ = ["HEADS", "Head", "head_for", "head_of"]
