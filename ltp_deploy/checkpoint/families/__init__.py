"""The table of model families. To add one: a file like its neighbours, a line here, a test."""

from ltp_deploy.checkpoint.families import (
    bert,
    data2vec,
    distilbert,
    electra,
    ibert,
    ltp,
    roberta,
)
from ltp_deploy.checkpoint.family import Family

_ALL = (ltp, bert, roberta, electra, distilbert, ibert, data2vec)

FAMILIES: dict[str, Family] = {t: m.FAMILY for m in _ALL for t in m.FAMILY.model_types}
