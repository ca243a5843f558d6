"""ELECTRA: `ElectraForSequenceClassification`; its embeddings may be narrower than its layers."""

from typing import Any

from ltp_deploy.checkpoint.family import Family, bert_like_shape, own_policy, roberta_like_names


def _shape(config: dict[str, Any]) -> dict[str, Any]:
    return {
        **bert_like_shape(config),
        "embedding_size": config["embedding_size"],
        "head_activation": "gelu",
    }


FAMILY = Family(
    model_types=("electra",),
    names={
        **roberta_like_names("electra"),
        "embedding_project": "electra.embeddings_project",
    },
    shape=_shape,
    policy=own_policy,
)
