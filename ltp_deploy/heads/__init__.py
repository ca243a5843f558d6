"""What a model's answer is: one file per head, a line here, a test.

Everything that depends on the kind of answer is asked of the head: what labels mean, how answers
are scored, what training minimises, what counts as a changed answer.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def head_for_labels(labels: Sequence[float]) -> Head:
    """The head that learns such labels: whole numbers are classes, others values."""
    whole = all(float(label).is_integer() for label in labels)
    return HEADS[Classification.name if whole else Regression.name]


__all__ = ["HEADS", "Head", "head_for", "head_for_labels", "head_of"]
