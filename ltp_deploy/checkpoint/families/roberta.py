"""RoBERTa, and those that are RoBERTa by another name: XLM-R and CamemBERT."""

from ltp_deploy.checkpoint.family import Family, own_policy, roberta_like_names, roberta_like_shape

FAMILY = Family(
    model_types=("roberta", "xlm-roberta", "camembert"),
    names=roberta_like_names("roberta"),
    shape=roberta_like_shape,
    policy=own_policy,
)
