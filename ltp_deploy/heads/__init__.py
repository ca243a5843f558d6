"""What a model's answer is: one file per head, a line here, a test.

Everything that depends on the kind of answer is asked of the head: what labels mean, how answers
are scored, what training minimises, what counts as a changed answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from ltp_deploy.data.labels import Label, as_number
from ltp_deploy.errors import CheckpointError, LtpError
from ltp_deploy.heads.classification import Classification
from ltp_deploy.heads.embedding import EmbeddingHead
from ltp_deploy.heads.head import Head
from ltp_deploy.heads.multi_label import MultiLabel
from ltp_deploy.heads.ranking import Ranking
from ltp_deploy.heads.regression import Regression
from ltp_deploy.model.config import EncoderConfig

_ALL: tuple[type[Head], ...] = (Classification, Regression, MultiLabel, Ranking, EmbeddingHead)

HEADS = {head.name: head for head in _ALL}


def head_of(config: EncoderConfig) -> Head:
    """The head of a model."""
    return HEADS[config.head](config)


def head_for(num_labels: int, problem_type: str | None = None) -> str:
    """The name of the head of a checkpoint with so many outputs.

    Args:
        problem_type: as config.json says it; None where it does not: one output then ranks, as
            those of rerankers, which have no such entry, and several are classes. Of a regression
            transformers writes it whenever it trains one.

    Raises:
        CheckpointError: an unknown kind, or one that cannot have so many outputs.
    """
    if problem_type is None:
        return Ranking.name if num_labels == 1 else Classification.name
    known = {head.problem_type: head.name for head in _ALL if head.problem_type}
    if not isinstance(problem_type, str) or problem_type not in known:
        raise CheckpointError(
            f"config.json: problem_type {problem_type!r} is unknown; there are {', '.join(known)}"
        )
    name = known[problem_type]
    if name == Regression.name and num_labels > 1:
        raise CheckpointError(
            f"config.json: a regression (problem_type) with {num_labels} outputs is not supported; "
            "one value for each text is"
        )
    if name == Classification.name and num_labels == 1:
        raise CheckpointError(
            f"config.json: problem_type {problem_type} with one output gives every text the same "
            "class; where the output is a value, write regression, where it is a label that a text "
            f"has or not, {MultiLabel.problem_type}, and of a reranker leave out the entry"
        )
    return name


def head_for_labels(labels: Sequence[Label]) -> type[Head]:
    """The head that learns such labels: lists and columns of labels are sets, whole numbers are
    classes, other numbers values.

    Raises:
        LtpError: names of classes, whose order is not known.
    """
    single = [label for label in labels if isinstance(label, (str, Real))]
    if len(single) < len(labels):
        return HEADS[MultiLabel.name]
    names = sorted({str(label) for label in single if as_number(label) is None})
    if names:
        raise LtpError(f"a new head needs labels that are numbers, found {names[:5]}")
    whole = all((as_number(label) or 0.0).is_integer() for label in single)
    return HEADS[Classification.name if whole else Regression.name]


__all__ = ["HEADS", "Head", "head_for", "head_for_labels", "head_of"]
