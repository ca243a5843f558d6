"""A head that takes the place of a checkpoint's own, to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltp_deploy.checkpoint.answers import activation_entry
from ltp_deploy.checkpoint.family import Family
from ltp_deploy.data.labels import ClassName, Label, generic_names, id2label
from ltp_deploy.errors import LtpError
from ltp_deploy.heads import HEADS, head_for, head_for_labels
from ltp_deploy.heads.ranking import Ranking
from ltp_deploy.model.encoder import Encoder

_DEVIATION = 0.02  # of the weights of new layers, as BERT and its descendants begin with


@dataclass(frozen=True)
class NewHead:
    """A head that is to be trained.

    Attributes:
        problem_type: its kind, as config.json has it; None where it has no such entry.
        outputs: how many.
        names: of the outputs, or () where the data does not say.
        seed: of its random weights.
    """

    problem_type: str | None
    outputs: int
    names: tuple[str, ...] = ()
    seed: int = 0

    @classmethod
    def for_labels(cls, labels: Sequence[Label], seed: int = 0, kind: str | None = None) -> NewHead:
        """The head that learns these labels.

        Args:
            kind: its name in `HEADS`; None for that of `head_for_labels`.

        Raises:
            LtpError: no such head, or the labels do not say how many outputs it needs.
        """
        if kind is not None and kind not in HEADS:
            raise LtpError(f"there is no head {kind!r}; there are {', '.join(HEADS)}")
        head = HEADS[kind] if kind else head_for_labels(labels)
        outputs = head.outputs_for(labels)
        names = () if head.gives_values else _names(labels, outputs)
        return cls(head.problem_type or None, outputs, names, seed)

    @property
    def kind(self) -> str:
        """Its name in `HEADS`."""
        return head_for(self.outputs, self.problem_type)

    def put_on(
        self, tensors: Mapping[str, Tensor], encoder: Encoder, family: Family
    ) -> dict[str, Tensor]:
        """Weights, by our names, with this head's in place of their own: random ones, and biases of
        0. A pooler that belongs to the encoder stays.

        Args:
            tensors: the weights found.
            encoder: has the shapes that are needed.
            family: says which layers belong to the encoder.
        """
        base, _ = family.base()
        generator = torch.Generator().manual_seed(self.seed)
        found = dict(tensors)
        for name, needed in encoder.state_dict().items():
            module, _, part = name.rpartition(".")
            pooler = family.names.get(module, "").startswith(f"{base}.")
            if not module.startswith("head_") or (pooler and name in tensors):
                continue
            weight = torch.zeros(needed.shape)
            if part == "weight":
                weight.normal_(0, _DEVIATION, generator=generator)
            found[name] = weight
        return found

    def to_config(self) -> dict[str, Any]:
        """What config.json says of it."""
        named = id2label(self.names or generic_names(self.outputs))
        if self.kind == Ranking.name:  # trained with a sigmoid, and so it answers
            return {**named, **activation_entry("sigmoid")}
        return {"problem_type": self.problem_type, **named}


def _names(labels: Sequence[Label], outputs: int) -> tuple[str, ...]:
    """The names that the data has for each output, or ()."""
    if isinstance(labels[0], Mapping):
        return tuple(labels[0])
    lists = [label if isinstance(label, (list, tuple)) else [label] for label in labels]
    parts = [part for several in lists for part in several]
    names = {part.number: str(part) for part in parts if isinstance(part, ClassName)}
    return tuple(names[i] for i in range(outputs)) if set(names) == set(range(outputs)) else ()
