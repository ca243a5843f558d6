"""BERT: `BertForSequenceClassification`."""

from ltp_deploy.checkpoint.family import Family, bert_like_names, bert_like_shape, own_policy

FAMILY = Family(
    model_types=("bert",),
    names={
        **bert_like_names("bert"),
        "head_dense": "bert.pooler.dense",
        "head_output": "classifier",
    },
    shape=bert_like_shape,
    policy=own_policy,
)
