"""Shape and conventions of an encoder, free of torch so that a runtime can read them too."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ltp_deploy.errors import BundleError
from ltp_deploy.model.policy import PrunePolicy


@dataclass(frozen=True)
class EncoderConfig:
    """What an encoder is, whatever family it came from.

    Attributes:
        type_vocab_size: 0 where the family has no token types (DistilBERT).
        labels: the classes' names, or () where the model knows none.
        embedding_size: differs from `hidden_size` only in ELECTRA.
        position_start: position id of the first token (RoBERTa: padding_idx + 1).
        padding_skips: pad tokens inside a sequence are not counted as positions and hold
            `position_start - 1` (RoBERTa).
    """

    family: str
    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int
    vocab_size: int
    position_rows: int
    type_vocab_size: int
    num_labels: int
    labels: tuple[str, ...]
    activation: str
    head_activation: str
    layer_norm_eps: float
    embedding_size: int
    pad_token_id: int
    position_start: int
    padding_skips: bool
    policy: PrunePolicy

    @property
    def max_length(self) -> int:
        """The longest sequence that the position table allows, in tokens."""
        return self.position_rows - self.position_start

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `max_length` is written too, for readers that are not this class."""
        return {
            **asdict(self),
            "labels": list(self.labels),
            "policy": self.policy.to_config(),
            "max_length": self.max_length,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EncoderConfig:
        try:
            values = {f.name: data[f.name] for f in fields(cls)}
            values["labels"] = tuple(values["labels"])
            values["policy"] = PrunePolicy.from_config(values["policy"], values["layers"])
        except (KeyError, TypeError) as error:
            raise BundleError(f"the manifest's `model` entry is incomplete: {error}") from None
        return cls(**values)
