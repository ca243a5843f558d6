"""data2vec for text: `Data2VecTextForSequenceClassification`, RoBERTa's layout."""

from ltp_deploy.checkpoint.family import Family, own_policy, roberta_like_names, roberta_like_shape

FAMILY = Family(
    model_types=("data2vec-text",),
    names=roberta_like_names("data2vec_text"),
    shape=roberta_like_shape,
    policy=own_policy,
)
