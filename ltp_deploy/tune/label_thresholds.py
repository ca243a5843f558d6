"""The probabilities above which labels hold, chosen on data."""

from __future__ import annotations

from dataclasses import dataclass

from ltp_deploy.errors import LtpError
from ltp_deploy.heads import head_of
from ltp_deploy.heads.multi_label import MultiLabel, best_thresholds
from ltp_deploy.heads.prediction import Name
from ltp_deploy.model.encoder import Encoder
from ltp_deploy.tune.data import TaskData
from ltp_deploy.tune.evaluate import answers


@dataclass(frozen=True)
class ChosenThresholds:
    """Thresholds of labels, and what they do on data that they were not chosen on.

    Attributes:
        thresholds: by label, each for the best F1 of that label on the search data.
        before, after: micro and macro F1 of the model without pruning, with the thresholds that it
            came with and with these.
    """

    thresholds: dict[Name, float]
    before: dict[str, float]
    after: dict[str, float]


def choose(
    encoder: Encoder, search: TaskData, other: TaskData, labelled: bool
) -> tuple[Encoder, ChosenThresholds]:
    """The model with thresholds for its answers without pruning, see `best_thresholds`.

    Args:
        search: what they are chosen on.
        other: what they are judged on.
        labelled: whether labels say which answers are right, and not the model itself.

    Raises:
        LtpError: without labels, or a model of another kind.
    """
    head = head_of(encoder.config)
    if not isinstance(head, MultiLabel):
        raise LtpError(
            "--label-thresholds is for models that give any number of labels (problem_type "
            f"{MultiLabel.problem_type}), and this one gives {head.noun}"
        )
    if not labelled:
        raise LtpError(
            "--label-thresholds needs labels, which the data lacks or --unlabelled leaves out: "
            "name their column with --label-column"
        )
    dense = encoder.unpruned()
    logits, _ = answers(dense, search.batch)
    chosen = best_thresholds(logits, search.labels)
    found = encoder.with_label_thresholds(chosen)
    logits, _ = answers(dense, other.batch)
    before, after = (
        head_of(model.config).scores(logits, other.labels) for model in (encoder, found)
    )
    named = dict(zip(head.names(), chosen, strict=True))
    return found, ChosenThresholds(named, before, after)
