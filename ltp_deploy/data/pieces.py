"""The tokens of a text as people see them: their names, and which characters they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Piece:
    """One token.

    Attributes:
        token: its name in the vocabulary.
        start, end: the characters of its text that it stands for; None of special tokens, and where
            the tokenizer does not say.
        segment: 0 of the first text, 1 of a pair's second; None of special tokens that belong to
            neither.
    """

    token: str
    start: int | None
    end: int | None
    segment: int | None


def encoded_pieces(encoding: Any) -> list[Piece]:
    """Of an `Encoding` of the library `tokenizers`."""
    parts = zip(encoding.tokens, encoding.offsets, encoding.sequence_ids, strict=True)
    return [
        Piece(token, None, None, None) if segment is None else Piece(token, start, end, segment)
        for token, (start, end), segment in parts
    ]


def named_pieces(tokens: Sequence[str], special: Sequence[int]) -> list[Piece]:
    """Of tokens whose places are not known; special ones part the texts of a pair."""
    found, segment = [], -1
    for i, (token, is_special) in enumerate(zip(tokens, special, strict=True)):
        if not is_special and (i == 0 or special[i - 1]):
            segment = min(segment + 1, 1)
        found.append(Piece(token, None, None, None if is_special else segment))
    return found
