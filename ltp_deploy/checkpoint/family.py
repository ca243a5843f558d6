"""What the loader must know about a model family: names, shapes and conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ltp_deploy.errors import CheckpointError
from ltp_deploy.model.policy import PrunePolicy


@dataclass(frozen=True)
class Family:
    """One model family.

    Attributes:
        model_types: values of `model_type` in config.json.
        names: our module name -> the family's, both without `.weight`/`.bias`; `{}` stands for the
            layer number. Modules left out do not exist in the family.
        shape: config.json -> the `EncoderConfig` fields that depend on the family.
        policy: (config.json, state dict, layers) -> the pruning policy.
    """

    model_types: tuple[str, ...]
    names: Mapping[str, str]
    shape: Callable[[dict[str, Any]], dict[str, Any]]
    policy: Callable[[dict[str, Any], Mapping[str, Tensor], int], PrunePolicy]

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


def own_policy(config: dict[str, Any], state: Mapping[str, Tensor], layers: int) -> PrunePolicy:
    """The policy in our own format: the `ltp` entry of config.json, or none (dense)."""
    if config.get("ltp") is None:
        return PrunePolicy.dense(layers)
    return PrunePolicy.from_config(config["ltp"], layers)


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
        "pad_token_id": config["pad_token_id"] or 0,  # only fills padding, which nothing reads
        "position_start": 0,
        "padding_skips": False,
    }


def roberta_like_shape(config: dict[str, Any]) -> dict[str, Any]:
    """BERT's fields with RoBERTa's position ids: padding_idx + running count of real tokens."""
    if config["pad_token_id"] is None:
        raise CheckpointError("config.json: pad_token_id is null, but positions count from it")
    return {
        **bert_like_shape(config),
        "position_start": config["pad_token_id"] + 1,
        "padding_skips": True,
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
