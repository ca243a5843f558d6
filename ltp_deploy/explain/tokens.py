"""From pieces of text and survivors to tokens with the layer that pruned each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ltp_deploy.data.pieces import Piece
from ltp_deploy.explain.explanation import Segment, Token, TokenSequence


def sequence_of(
    pieces: Sequence[Piece], texts: Sequence[str], survivors: Sequence[np.ndarray]
) -> TokenSequence:
    """One sequence.

    Args:
        texts: the text, or both of the pair, that it was read from.
        survivors: [layer] arrays of the positions that are alive after it.
    """
    pruned = pruned_by(len(pieces), survivors)
    counts = [len(pieces), *(len(kept) for kept in survivors)]
    finished = pruned[0] if pruned and counts[-1] == 0 else None
    return TokenSequence(_tokens(pieces, texts, pruned), tuple(counts), finished)


def pruned_by(tokens: int, survivors: Sequence[np.ndarray]) -> list[int | None]:
    """For each token the layer that pruned it, None of those that survived all."""
    lives = np.zeros(tokens, np.int64)  # layers after which the token was alive
    for kept in survivors:
        lives[kept] += 1
    return [int(n) if n < len(survivors) else None for n in lives]


def segments_of(texts: Sequence[str], windows: Sequence[Sequence[Piece]]) -> tuple[Segment, ...]:
    """The texts with the characters that all windows together read of them."""
    found = []
    for number, text in enumerate(texts):
        places = [
            (piece.start, piece.end)
            for pieces in windows
            for piece in pieces
            if piece.segment == number and piece.start is not None and piece.end is not None
        ]
        start, end = (
            (min(s for s, _ in places), max(e for _, e in places)) if places else (None,) * 2
        )
        found.append(Segment(text, start, end))
    return tuple(found)


def _tokens(
    pieces: Sequence[Piece], texts: Sequence[str], pruned: Sequence[int | None]
) -> tuple[Token, ...]:
    found: list[Token] = []
    ends: dict[int | None, int] = {}  # of each segment, how far its tokens stand for it
    for piece, layer in zip(pieces, pruned, strict=True):
        if piece.start is None or piece.end is None or piece.segment is None:
            space = not piece.token.startswith("##")
            found.append(Token(piece.token, piece.token, space, piece.segment, None, None, layer))
            continue
        before = ends.get(piece.segment)
        start = max(piece.start, before or 0)
        text = texts[piece.segment][start : piece.end]
        start += len(text) - len(text.lstrip())
        gap = texts[piece.segment][before:start] if before is not None else " "
        ends[piece.segment] = max(piece.end, before or 0)
        space = any(character.isspace() for character in gap)
        found.append(
            Token(
                piece.token, text.strip(), space, piece.segment, start, max(start, piece.end), layer
            )
        )
    return tuple(found)
