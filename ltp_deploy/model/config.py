"""Shape and conventions of an encoder, free of torch so that a runtime can read them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ltp_deploy.model.policy import PrunePolicy

_SIZES = (
    "layers",
    "hidden_size",
    "heads",
    "intermediate_size",
    "vocab_size",
    "position_rows",
    "num_labels",
    "embedding_size",
)

MAX_SIZE = 2**31 - 1  # token ids, and the rows of a request, are counted in 32 bits
# What follows the logit of a model with one output, and what PyTorch calls it.
ANSWER_ACTIVATIONS = {"none": "Identity", "sigmoid": "Sigmoid", "tanh": "Tanh"}
MEANS = ("frozen", "survivors")  # poolings that are the mean where nothing is pruned
POOLINGS = ("first", *MEANS)
HEAD_MULTIPLE = 8  # kernels read so many values of a head at once


def padded_head_size(size: int) -> int:
    """Columns that an engine computes with for each head of `size` values."""
    return -(-size // HEAD_MULTIPLE) * HEAD_MULTIPLE


@dataclass(frozen=True)
class Embedding:
    """How the last states of a text's tokens become one vector.

    Attributes:
        pooling: "first": the first token's state. "frozen": the mean over all tokens, in which a
            pruned one counts with the state that entered the layer that pruned it. "survivors": the
            mean over the tokens that no layer prunes.
        dense: the activation after a linear layer that follows; None where there is none.
        normalize: whether the vector is divided by its Euclidean norm.
        prompts: by name, what may be put before a text.
        default_prompt: the name of the one that is, where nothing is said; None for none.
    """

    pooling: str
    dense: str | None = None
    normalize: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"unknown pooling {self.pooling!r}")
        if self.default_prompt is not None and self.default_prompt not in self.prompts:
            raise ValueError(f"the default prompt {self.default_prompt!r} is none of the prompts")


@dataclass(frozen=True)
class EncoderConfig:
    """What an encoder is, whatever family it came from.

    Attributes:
        head: what the model's answer is, a name in `ltp_deploy.heads.HEADS`.
        type_vocab_size: 0 where the family has no token types (DistilBERT).
        num_labels: numbers in an answer: classes, one value, or the entries of a vector.
        labels: the classes' names, or () where the model knows none.
        embedding_size: differs from `hidden_size` only in ELECTRA.
        position_start: position id of the first token (RoBERTa: padding_idx + 1).
        padding_skips: pad tokens inside a sequence are not counted as positions and hold
            `position_start - 1` (RoBERTa).
        answer_activation: "none", "sigmoid" or "tanh": what turns the logit of a model with one
            value into the value that users read, as checkpoints of rerankers say.
        label_thresholds: of a model that gives any number of labels, the probability, in (0, 1),
            above which each output's label holds; () where that is a half for all.
        embedding: of a model that answers with a vector; None for others, whose answers are read
            from the first token.
    """

    family: str
    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int
    vocab_size: int
    position_rows: int
    type_vocab_size: int
    head: str
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
    answer_activation: str = "none"
    embedding: Embedding | None = None
    label_thresholds: tuple[float, ...] = ()

    DERIVED: ClassVar = ("max_length",)  # written to manifests, for readers in other languages

    def __post_init__(self) -> None:
        for name in _SIZES:
            if not 1 <= getattr(self, name) <= MAX_SIZE:
                raise ValueError(
                    f"{name} must be positive and below 2^31, found {getattr(self, name)}"
                )
        if self.answer_activation not in ANSWER_ACTIVATIONS:
            raise ValueError(f"unknown activation {self.answer_activation!r} of answers")
        if len(self.policy.layers) != self.layers:
            raise ValueError(f"{len(self.policy.layers)} rules for {self.layers} layers")
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden size {self.hidden_size} is no multiple of {self.heads} heads")
        if self.labels and len(self.labels) != self.num_labels:
            raise ValueError(f"{len(self.labels)} labels for {self.num_labels} outputs")
        if self.label_thresholds and self.head != "multi_label":
            raise ValueError(f"thresholds of labels, and the head is {self.head}")
        if self.label_thresholds and len(self.label_thresholds) != self.num_labels:
            raise ValueError(
                f"{len(self.label_thresholds)} thresholds of labels for {self.num_labels} outputs"
            )
        for threshold in self.label_thresholds:
            if not 0 < threshold < 1:
                raise ValueError(f"a label's threshold must lie between 0 and 1, found {threshold}")
        if not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(f"pad_token_id {self.pad_token_id} is no token")
        if not (self.reads_first or self.policy.keep_first):
            raise ValueError("a mean over tokens needs a policy that keeps the first one")
        if not 0 <= self.position_start < self.position_rows:
            raise ValueError(
                f"position_start {self.position_start} is none of {self.position_rows} positions"
            )
        if not 0 <= self.type_vocab_size <= MAX_SIZE:
            raise ValueError(
                f"type_vocab_size must be at least 0 and below 2^31, found {self.type_vocab_size}"
            )

    @property
    def pooling(self) -> str:
        """What the head reads, see `Embedding.pooling`."""
        return self.embedding.pooling if self.embedding else "first"

    @property
    def reads_first(self) -> bool:
        """Whether the answer is read from the first token alone."""
        return self.pooling == "first"

    @property
    def head_size(self) -> int:
        """Values of each head."""
        return self.hidden_size // self.heads

    @property
    def context_size(self) -> int:
        """Columns of an engine's queries, and of its keys, values and contexts: all heads, each of
        them padded. It is the hidden size where the heads fit."""
        return self.heads * padded_head_size(self.head_size)

    @property
    def max_length(self) -> int:
        """The longest sequence that the position table allows, in tokens."""
        return self.position_rows - self.position_start
