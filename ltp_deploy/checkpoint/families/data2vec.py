"""data2vec for text: `Data2VecTextForSequenceClassification`, RoBERTa's layout."""

from ltp_deploy.checkpoint.family import Family, bert_like_names, own_policy, roberta_like_shape

FAMILY = Family(
    model_types=("data2vec-text",),
    names={
        **bert_like_names("data2vec_text"),
        "head_dense": "classifier.dense",
        "head_output": "classifier.out_proj",
    },
    shape=roberta_like_shape,
    policy=own_policy,
)
