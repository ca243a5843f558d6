"""ELECTRA: `ElectraForSequenceClassification`; its embeddings may be narrower than its layers."""

from typing import Any

from ltp_deploy.checkpoint.family import Family, bert_like_names, bert_like_shape, own_policy


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    return {
        **bert_like_shape(config),
        "embedding_size": config["embedding_size"],
        "head_activation": "gelu",
    }


FAMILY = Family(
    model_types=("electra",),
    names={
        **bert_like_names("electra"),
        "embedding_project": "electra.embeddings_project",
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    },
    shape=_shape,
    policy=own_policy,
)
