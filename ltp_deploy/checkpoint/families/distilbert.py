"""DistilBERT: `DistilBertForSequenceClassification`; no token types, a ReLU head."""

from typing import Any

from ltp_deploy.checkpoint.family import Family, filling, own_policy

_LAYER = "distilbert.transformer.layer.{}"


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "layers": config["n_layers"],
        "hidden_size": config["dim"],
        "heads": config["n_heads"],
        "intermediate_size": config["hidden_dim"],
        "vocab_size": config["vocab_size"],
        "position_rows": config["max_position_embeddings"],
        "type_vocab_size": 0,
        "activation": config["activation"],
        "head_activation": "relu",
        "layer_norm_eps": 1e-12,  # fixed in the model's code, absent from its config
        "embedding_size": config["dim"],
        "pad_token_id": filling(config["pad_token_id"]),
        "position_start": 0,
        "padding_skips": False,
    }


FAMILY = Family(
    model_types=("distilbert",),
    names={
        "word": "distilbert.embeddings.word_embeddings",
        "position": "distilbert.embeddings.position_embeddings",
        "embedding_norm": "distilbert.embeddings.LayerNorm",
        "layers.{}.query": f"{_LAYER}.attention.q_lin",
        "layers.{}.key": f"{_LAYER}.attention.k_lin",
        "layers.{}.value": f"{_LAYER}.attention.v_lin",
        "layers.{}.attention_output": f"{_LAYER}.attention.out_lin",
        "layers.{}.attention_norm": f"{_LAYER}.sa_layer_norm",
        "layers.{}.intermediate": f"{_LAYER}.ffn.lin1",
        "layers.{}.output": f"{_LAYER}.ffn.lin2",
        "layers.{}.output_norm": f"{_LAYER}.output_layer_norm",
        "head_dense": "pre_classifier",
        "head_output": "classifier",
    },
    shape=_shape,
    policy=own_policy,
)
