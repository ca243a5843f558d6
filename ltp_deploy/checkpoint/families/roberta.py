"""RoBERTa and XLM-R: `RobertaForSequenceClassification`, `XLMRobertaForSequenceClassification`."""

from ltp_deploy.checkpoint.family import Family, bert_like_names, own_policy, roberta_like_shape

FAMILY = Family(
    model_types=("roberta", "xlm-roberta"),
    names={
        **bert_like_names("roberta"),
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    },
    shape=roberta_like_shape,
    policy=own_policy,
)
