"""What the loader must know about a model family: names, shapes and conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.policy import PrunePolicy


class ReadPolicy(Protocol):
    """How a family's checkpoints say their pruning policy."""

    def __call__(
        self,
        config: dict[str, Any],
        state: Mapping[str, Tensor],
        layers: int,
        stated: int | str | None = None,
    ) -> PrunePolicy:
        """The policy of a model of `layers` layers.

        Args:
            config: config.json.
            state: the weights, by the family's names.
            stated: the score denominator to take where the checkpoint leaves it undecided.

        Raises:
            CheckpointError: a policy that cannot be read, or is undecided and not stated.
        """


@dataclass(frozen=True)
class Family:
    """One model family.

    Attributes:
        model_types: values of `model_type` in config.json.
        names: our module name -> the family's, both without `.weight`/`.bias`; `{}` stands for the
            layer number. Modules left out do not exist in the family.
        shape: config.json -> the `EncoderConfig` fields that depend on the family.
        policy: reads the pruning policy.
        in_transformers: transformers has the family, and with it the defaults of settings that
            config.json leaves out.
        architectures: classes of the family that transformers does not have.
    """

    model_types: tuple[str, ...]
    names: Mapping[str, str]
    shape: Callable[[dict[str, Any]], dict[str, Any]]
    policy: ReadPolicy
    in_transformers: bool = True
    architectures: tuple[str, ...] = ()

    def base(self) -> tuple[str, set[str]]:
        """The name of the encoder within the model, and the names of its own parts."""
        base = self.names["word"].partition(".")[0]
        inner = [name.split(".") for name in self.names.values()]
        return base, {parts[1] for parts in inner if parts[0] == base}

    def tensor_names(self, layers: int) -> Iterator[tuple[str, str]]:
        """(our name, the family's name) of every weight and bias in a model of `layers` layers."""
        for ours, theirs in self.names.items():
            for i in range(layers if "{}" in ours else 1):
                for part in ("weight", "bias"):
                    yield f"{ours.format(i)}.{part}", f"{theirs.format(i)}.{part}"

    def rename(self, state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
        """Tensors by our names -> by the family's; what the family has no name for is left out."""
        pairs = self.tensor_names(layers)
        return {theirs: state[ours] for ours, theirs in pairs if ours in state}


def own_policy(
    config: dict[str, Any],
    state: Mapping[str, Tensor],
    layers: int,
    stated: int | str | None = None,
) -> PrunePolicy:
    """The policy in our own format: the `ltp` entry of config.json, or none (dense)."""
    if config.get("ltp") is not None:
        return PrunePolicy.from_config(config["ltp"], layers)
    if config.get("prune_mode"):
        raise CheckpointError(
            f"prune_mode {config['prune_mode']!r} belongs to model_type 'ltp', and config.json has "
            f"{config['model_type']!r}; correct the one, or remove the other"
        )
    return PrunePolicy.dense(layers)


def bert_like_shape(config: dict[str, Any]) -> dict[str, Any]:
    """The fields that BERT and its descendants name alike."""
    return {
        "layers": config["num_hidden_layers"],
        "hidden_size": config["hidden_size"],
        "heads": config["num_attention_heads"],
        "intermediate_size": config["intermediate_size"],
        "vocab_size": config["vocab_size"],
        "position_rows": config["max_position_embeddings"],
        "type_vocab_size": config["type_vocab_size"],
        "activation": config["hidden_act"],
        "head_activation": "tanh",
        "layer_norm_eps": config["layer_norm_eps"],
        "embedding_size": config["hidden_size"],
        "pad_token_id": filling(config["pad_token_id"]),
        "position_start": 0,
        "padding_skips": False,
    }


def filling(pad_token_id: Any) -> Any:
    """The token that fills padding, which nothing reads: any, where config.json names none."""
    return 0 if pad_token_id in (None, -1) else pad_token_id


def roberta_like_shape(config: dict[str, Any]) -> dict[str, Any]:
    """BERT's fields with RoBERTa's position ids: padding_idx + running count of real tokens."""
    if not isinstance(config["pad_token_id"], int):
        raise CheckpointError(
            "config.json: pad_token_id must be a number, since positions count from it; found "
            f"{config['pad_token_id']!r}"
        )
    return {
        **bert_like_shape(config),
        "pad_token_id": config["pad_token_id"],
        "position_start": config["pad_token_id"] + 1,
        "padding_skips": True,
    }


def roberta_like_names(prefix: str) -> dict[str, str]:
    """BERT's encoder below `prefix`, and RoBERTa's classifier of two layers."""
    return {
        **bert_like_names(prefix),
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    }


def bert_like_names(prefix: str) -> dict[str, str]:
    """The encoder names that BERT and its descendants share, below `prefix`."""
    layer = f"{prefix}.encoder.layer.{{}}"
    return {
        "word": f"{prefix}.embeddings.word_embeddings",
        "position": f"{prefix}.embeddings.position_embeddings",
        "token_type": f"{prefix}.embeddings.token_type_embeddings",
        "embedding_norm": f"{prefix}.embeddings.LayerNorm",
        "layers.{}.query": f"{layer}.attention.self.query",
        "layers.{}.key": f"{layer}.attention.self.key",
        "layers.{}.value": f"{layer}.attention.self.value",
        "layers.{}.attention_output": f"{layer}.attention.output.dense",
        "layers.{}.attention_norm": f"{layer}.attention.output.LayerNorm",
        "layers.{}.intermediate": f"{layer}.intermediate.dense",
        "layers.{}.output": f"{layer}.output.dense",
        "layers.{}.output_norm": f"{layer}.output.LayerNorm",
    }
