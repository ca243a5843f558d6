"""Labels that a model never saw, by natural language inference: does a text entail a sentence with
the label? As in transformers' zero-shot classification (Yin et al., 2019, arXiv 1909.00161)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.heads import HEADS
from ltp_deploy.heads.classification import Classification
from ltp_deploy.heads.multi_label import MultiLabel
from ltp_deploy.heads.prediction import Prediction
from ltp_deploy.model.config import EncoderConfig

TEMPLATE = "This example is {}."


def hypotheses(labels: Any, template: Any) -> list[str]:
    """The sentence with each label.

    Raises:
        InputError: no list of different labels, or no template with one place for a label.
    """
    if isinstance(labels, str | bytes) or not isinstance(labels, Sequence):
        raise InputError(f"labels must be a list of strings, found {type(labels).__name__}")
    for i, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise InputError(f"label {i} must be a string with text in it, found {label!r:.80}")
        if label in labels[:i]:
            raise InputError(f"label {i}, {label!r:.80}, stands in the list before")
    if not labels:
        raise InputError("labels must be a list of one label or more, found none")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise InputError(
            f"template must be a sentence with {{}} once, for the label, found {template!r:.80}"
        )
    return [template.replace("{}", label) for label in labels]


def outputs(config: EncoderConfig) -> tuple[int, int]:
    """The outputs for entailment and for contradiction, by the names of the model's classes.

    Raises:
        LtpError: the model's classes have other names: it is not for inference.
    """
    names = [label.lower() for label in config.labels]
    entails = [i for i, name in enumerate(names) if name.startswith("entail")]
    against = [i for i, name in enumerate(names) if name.startswith(("contra", "not_entail"))]
    if len(entails) == 1 and len(against) == 1:
        return entails[0], against[0]
    raise LtpError(
        f"the classes of this model are {list(config.labels) or config.num_labels}, and labels of "
        "one's own need a model for natural language inference, with one class named entailment "
        "and one named contradiction or not_entailment, in config.json's id2label"
    )


def decided(
    logits: np.ndarray,
    labels: Sequence[str],
    pair: tuple[int, int],
    config: EncoderConfig,
    several: bool,
) -> list[Prediction]:
    """The labels of N texts, read as those of a model with these classes.

    Args:
        logits: [N * labels, outputs], each text's sentences one after another.
        labels: what is chosen from.
        pair: the outputs for entailment and for contradiction.
        config: of the model.
        several: whether a text may have any number of labels. Then a label's probability is that of
            entailment against contradiction; else the softmax over all labels' entailments.
    """
    entailment, contradiction = (logits[:, i].reshape(-1, len(labels)) for i in pair)
    head = HEADS[MultiLabel.name if several else Classification.name]
    as_classes = replace(
        config,
        num_labels=len(labels),
        labels=tuple(labels),
        head=head.name,
        label_thresholds=(),
    )
    return head(as_classes).read(entailment - contradiction if several else entailment)
