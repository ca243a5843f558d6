"""Texts to packed sequences: what a tokenizer is, and how a bundle's is opened."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltp_deploy.bundle.files import BundleFiles
from ltp_deploy.bundle.tokenizer import TokenizerRecord
from ltp_deploy.data.batch import PackedBatch, pack
from ltp_deploy.data.long_texts import LongTexts
from ltp_deploy.data.pieces import Piece
from ltp_deploy.data.probes import PROBES
from ltp_deploy.data.texts import Text, as_texts
from ltp_deploy.errors import BundleError, InputError, LtpError
from ltp_deploy.model.config import EncoderConfig


@dataclass(frozen=True)
class Encoded:
    """One text's sequences: one, or several where it is read in windows.

    Attributes:
        ids, types: of each sequence, its token ids and its token types.
        truncated: whether the text is longer than what is read of it.
        pieces: of each sequence, its tokens as people see them; None where nobody asked.
    """

    ids: list[list[int]]
    types: list[list[int]]
    truncated: bool
    pieces: list[list[Piece]] | None = None


@dataclass(frozen=True)
class Tokenized:
    """N texts as packed sequences.

    Attributes:
        windows: [N] int64, how many sequences each text became, one after another in `batch`.
        truncated: [N] bool, which texts are longer than what is read of them.
        pieces: [N][window] the tokens as people see them; () where nobody asked.
    """

    batch: PackedBatch
    windows: np.ndarray
    truncated: np.ndarray
    pieces: Sequence[list[list[Piece]]] = ()


class Tokenizer(ABC):
    """Texts, or pairs of texts, to token ids.

    Attributes:
        config: of the model that reads the ids.
        max_length: the most tokens of a sequence.
        long: what becomes of longer texts.
    """

    def __init__(self, config: EncoderConfig, max_length: int):
        self.config = config
        self.max_length = min(max_length, config.max_length)
        self.long = LongTexts()

    def limit(self, max_length: int | None, long: LongTexts | None = None) -> None:
        """Allow fewer tokens, and say what becomes of longer texts."""
        self.max_length = min(max_length or self.max_length, self.max_length)
        self.long = long or self.long

    @abstractmethod
    def encode(self, texts: list[Text], pieces: bool) -> Iterable[Encoded]:
        """Token ids of texts that `as_texts` has checked, and their pieces if asked for."""

    def tokenize(self, texts: Any, pieces: bool = False) -> Tokenized:
        """See `as_texts` for what texts may be.

        Args:
            pieces: whether tokens are wanted as people see them, too.

        Raises:
            InputError: what is no text, has a token that the model does not know, or is too long
                where that is refused.
        """
        found = self.read(texts, pieces)
        if self.long.refused and found.truncated.any():
            raise InputError(
                f"text {int(found.truncated.argmax())} has more than {self.max_length} tokens; "
                "shorten it, or let long texts be truncated"
            )
        batch = found.batch
        self._check(found, batch.input_ids, "token", self.config.vocab_size)
        self._check(found, batch.token_type_ids, "token type", max(1, self.config.type_vocab_size))
        return found

    def __call__(self, texts: Any) -> PackedBatch:
        """The packed sequences alone."""
        return self.tokenize(texts).batch

    def read(self, texts: Any, pieces: bool = False) -> Tokenized:
        """The same, whatever the model knows."""
        checked = as_texts(texts)
        encoded = list(self.encode(checked, pieces)) if checked else []
        return Tokenized(
            pack(
                [row for text in encoded for row in text.ids],
                [row for text in encoded for row in text.types],
            ),
            np.array([len(text.ids) for text in encoded], np.int64),
            np.array([text.truncated for text in encoded], bool),
            [text.pieces for text in encoded if text.pieces is not None],
        )

    def fingerprint(self) -> str:
        """SHA-256 of the ids and token types of difficult texts, in hex."""
        batch = self.read(PROBES).batch
        digest = hashlib.sha256()
        for array in (batch.input_ids, batch.token_type_ids, batch.offsets):
            digest.update(array.astype("<i4").tobytes())
        return digest.hexdigest()

    def _check(self, found: Tokenized, values: np.ndarray, what: str, size: int) -> None:
        if (values >= size).any():
            at = int(np.argmax(values >= size))
            sequence = np.searchsorted(found.batch.offsets, at, "right") - 1
            text = int(np.searchsorted(np.cumsum(found.windows), sequence, "right"))
            raise InputError(
                f"text {text} has the {what} {values[at]}, and the model knows 0 to {size - 1}: "
                "its tokenizer knows more than the model"
            )


def first_difference(expected: PackedBatch, found: PackedBatch) -> tuple[int, str] | None:
    """The first of as many sequences that is another one, and how; None where none is."""
    names = ("input_ids", "token_type_ids", "offsets")
    if all(np.array_equal(getattr(expected, name), getattr(found, name)) for name in names):
        return None
    for i in range(expected.sequences):
        want, have = expected.select([i]), found.select([i])
        if len(want.input_ids) != len(have.input_ids):
            return i, f"{len(have.input_ids)} tokens in place of {len(want.input_ids)}"
        for name in names[:2]:
            there = np.flatnonzero(getattr(want, name) != getattr(have, name))
            if len(there):
                at = int(there[0])
                return i, (
                    f"{name}[{at}] is {getattr(have, name)[at]} in place of "
                    f"{getattr(want, name)[at]}"
                )
    return None


def bundled_tokenizer(
    bundle: Path | BundleFiles, record: TokenizerRecord, config: EncoderConfig
) -> Tokenizer:
    """The tokenizer in a bundle, whatever its fingerprint.

    Raises:
        LtpError: the library that reads it is missing, or cannot.
    """
    files = BundleFiles.of(bundle)
    if record.library == "tokenizers":
        from ltp_deploy.data.json_tokenizer import JsonTokenizer

        return JsonTokenizer(files, record, config)
    from ltp_deploy.data.transformers_tokenizer import copied_tokenizer

    return copied_tokenizer(files.folder(record.folder), config)


def open_tokenizer(
    bundle: Path | BundleFiles,
    record: TokenizerRecord,
    config: EncoderConfig,
    max_length: int | None = None,
    long: LongTexts | None = None,
) -> Tokenizer:
    """The tokenizer of a bundle.

    Args:
        bundle: where its files are; where they were checked, those that were.
        max_length: the most tokens of a sequence; the model or the tokenizer may allow fewer.

    Raises:
        BundleError: the library that reads it is missing, cannot read it, or reads texts otherwise
            than at build time.
    """
    files = BundleFiles.of(bundle)
    try:
        tokenizer = bundled_tokenizer(files, record, config)
        fingerprint = tokenizer.fingerprint()
    except BundleError:
        raise
    except LtpError as error:
        raise BundleError(f"the tokenizer of {files.directory} cannot be used: {error}") from error
    if record.fingerprint != fingerprint:
        raise BundleError(
            f"the packages here read texts otherwise than those that built {files.directory}, so "
            "its tokenizer is another one; install the versions that the manifest names, or build "
            "here"
        )
    tokenizer.limit(max_length, long)
    return tokenizer
