"""Texts as the checkpoint reads them, which the bundle must read alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltp_deploy.data.texts import Text
from ltp_deploy.data.tokenizer import Tokenized, first_difference
from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer
from ltp_deploy.errors import LtpError
from ltp_deploy.runtime.engine import Engine


def tokenized(engine: Engine, checkpoint: Path, texts: Sequence[Text]) -> Tokenized:
    """The texts by the checkpoint's own tokenizer, cut to what the engine takes.

    Raises:
        LtpError: the checkpoint has no tokenizer, or the bundle's reads a text otherwise.
    """
    own = TransformersTokenizer(checkpoint, engine.config, engine.limits.max_length)
    expected = own.tokenize(texts)
    if engine.manifest.tokenizer is not None:
        difference = first_difference(expected.batch, engine.tokenize(texts))
        if difference is not None:
            number, what = difference
            raise LtpError(
                f"the bundle reads text {number}, {texts[number]!r:.80}, otherwise than the "
                f"checkpoint: {what}; build it again"
            )
    return expected
