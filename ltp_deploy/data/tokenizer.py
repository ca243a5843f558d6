"""Texts to packed sequences: what a tokenizer is, and how a bundle's is opened."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.probes import PROBES
from ltp_deploy.data.texts import Text, as_texts
from ltp_deploy.errors import BundleError, InputError
from ltp_deploy.model.config import EncoderConfig


@dataclass(frozen=True)
class Encoded:
    """One text's sequences: one, or several where it is read in windows.

    Attributes:
        ids, types: of each sequence, its token ids and its token types.
        truncated: whether the text is longer than what is read of it.
    """

    ids: list[list[int]]
    types: list[list[int]]
    truncated: bool


@dataclass(frozen=True)
class Tokenized:
    """N texts as packed sequences.

    Attributes:
        windows: [N] int64, how many sequences each text became, one after another in `batch`.
        truncated: [N] bool, which texts are longer than what is read of them.
    """

    batch: PackedBatch
    windows: np.ndarray
    truncated: np.ndarray


class Tokenizer(ABC):
    """Texts, or pairs of texts, to token ids.

    Attributes:
        max_length: the most tokens of a sequence.
        long: what becomes of longer texts.
    """

    max_length: int
    long: LongTexts

    @abstractmethod
    def encode(self, texts: list[Text]) -> Iterable[Encoded]:
        """Token ids of texts that `as_texts` has checked."""

    def tokenize(self, texts: Any) -> Tokenized:
        """See `as_texts` for what texts may be.

        Raises:
            InputError: what is no text, or too long where that is refused.
        """
        checked = as_texts(texts)
        encoded = list(self.encode(checked)) if checked else []
        truncated = np.array([text.truncated for text in encoded], bool)
        if self.long.refused and truncated.any():
            raise InputError(
                f"text {int(truncated.argmax())} has more than {self.max_length} tokens; shorten "
                "it, or let long texts be truncated or read in windows"
            )
        batch = pack(
            [row for text in encoded for row in text.ids],
            [row for text in encoded for row in text.types],
        )
        return Tokenized(batch, np.array([len(text.ids) for text in encoded], np.int64), truncated)

    def __call__(self, texts: Any) -> PackedBatch:
        """The packed sequences alone."""
        return self.tokenize(texts).batch

    def fingerprint(self) -> str:
        """SHA-256 of the ids and token types of difficult texts, in hex."""
        batch = self(PROBES)
        digest = hashlib.sha256()
        for array in (batch.input_ids, batch.token_type_ids, batch.offsets):
            digest.update(array.astype("<i4").tobytes())
        return digest.hexdigest()


def first_difference(expected: PackedBatch, found: PackedBatch) -> tuple[int, str] | None:
    """The first of as many sequences that is another one, and how; None where none is."""
    names = ("input_ids", "token_type_ids", "offsets")
    if all(np.array_equal(getattr(expected, name), getattr(found, name)) for name in names):
        return None
    for i in range(expected.sequences):
        a, b = expected.select([i]), found.select([i])
        for name in names:
            ours, theirs = getattr(b, name), getattr(a, name)
            if not np.array_equal(ours, theirs):
                shown = [f"[{', '.join(map(str, row[:12]))}...]" for row in (ours, theirs)]
                return i, f"{name} {shown[0]} in place of {shown[1]}"
    return None


def open_tokenizer(
    bundle: Path,
    record: TokenizerRecord,
    config: EncoderConfig,
    max_length: int | None = None,
    long: LongTexts | None = None,
) -> Tokenizer:
    """The tokenizer of a bundle.

    Args:
        max_length: the most tokens of a sequence; the model or the tokenizer may allow fewer.

    Raises:
        BundleError: the library that reads it is missing, or reads texts otherwise than at build
            time; or its kind has no windows.
    """
    folder, long = bundle / record.folder, long or LongTexts()
    length = min(max_length or config.max_length, config.max_length)
    if record.library == "tokenizers":
        from ltp_deploy.data.json_tokenizer import JsonTokenizer

        return JsonTokenizer(folder, record, length, long)
    from ltp_deploy.data.transformers_tokenizer import TransformersTokenizer

    if long.windows:
        raise BundleError(f"the tokenizer of {bundle} exists in Python alone and makes no windows")
    tokenizer = TransformersTokenizer(folder, config)
    if record.fingerprint != tokenizer.fingerprint():
        raise BundleError(
            f"the tokenizer of {bundle} exists in Python alone, and the packages here read texts "
            "otherwise than those that built the bundle; install the versions that the manifest "
            "names, or build again here"
        )
    tokenizer.max_length, tokenizer.long = min(length, tokenizer.max_length), long
    return tokenizer
