"""A model's answers as they are shown."""

from __future__ import annotations

import numpy as np

from ltp_deploy.explain.explanation import Answer, Score
from ltp_deploy.heads import Head
from ltp_deploy.heads.multi_label import MultiLabel


def answers_of(head: Head, logits: np.ndarray) -> list[Answer]:
    """The answers to N texts.

    Args:
        logits: [N, outputs], as the engine gives them.
    """
    if head.config.embedding is not None:
        return [Answer((), (), False, None)] * len(logits)
    return [_answer(head, row) for row in logits]


def _answer(head: Head, logits: np.ndarray) -> Answer:
    (prediction,) = head.read(logits[None])
    values = [float(value) for value in prediction.scores]
    if prediction.label is None:
        bounded = head.config.answer_activation == "sigmoid"
        return Answer((), (Score("score", values[0], True, None),), bounded, None)
    label = prediction.label
    chosen = label if isinstance(label, list) else [label]
    thresholds = head.thresholds if isinstance(head, MultiLabel) else (None,) * len(values)
    scores = tuple(
        Score(str(name), value, name in chosen, threshold)
        for name, value, threshold in zip(head.names(), values, thresholds, strict=True)
    )
    best = sorted((s for s in scores if s.chosen), key=lambda score: -score.value)
    return Answer(tuple(score.name for score in best), scores, True, None)
