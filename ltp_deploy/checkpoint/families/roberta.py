"""RoBERTa, and those that are RoBERTa by another name: XLM-R and CamemBERT."""

from ltp_deploy.checkpoint.family import Family, bert_like_names, own_policy, roberta_like_shape

FAMILY = Family(
    model_types=("roberta", "xlm-roberta", "camembert"),
    names={
        **bert_like_names("roberta"),
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    },
    shape=roberta_like_shape,
    policy=own_policy,
)
