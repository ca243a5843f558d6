"""One text's answer on the scale that users read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Name = str | int


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text.

    Attributes:
        label: the class; of a model that gives any number of labels, the list of them, possibly
            empty; None of one that gives a value. Where the model knows no names, numbers.
        score: the label's probability; a list, one for each label; or the value.
        scores: [outputs] float32, of all labels in their order, or the value alone.
    """

    label: Name | list[Name] | None
    score: float | list[float]
    scores: np.ndarray
