"""I-BERT in floating point: RoBERTa's layout under names of its own."""

from typing import Any

from ltp_deploy.checkpoint.family import Family, own_policy, roberta_like_names, roberta_like_shape
from ltp_deploy.errors import CheckpointError

NAMES = roberta_like_names("ibert")
# Classes of the released LTP code: the same model, where it does not prune.
ARCHITECTURES = ("LTPForSequenceClassification", "PIBertForSequenceClassification")


def float_shape(config: dict[str, Any]) -> dict[str, Any]:
    """RoBERTa's shape, where the model computes in floating point and has the one activation that
    I-BERT's code has."""
    if config.get("quant_mode"):
        raise CheckpointError(
            "this checkpoint has quant_mode: true (I-BERT integer inference), which is not "
            "supported; train or export it with quant_mode: false"
        )
    shape = roberta_like_shape(config)
    if shape["activation"] != "gelu":
        raise CheckpointError(
            f"hidden_act {shape['activation']!r}: I-BERT's code knows 'gelu' alone"
        )
    return shape


FAMILY = Family(
    model_types=("ibert",),
    names=NAMES,
    shape=float_shape,
    policy=own_policy,
    architectures=ARCHITECTURES,
)
