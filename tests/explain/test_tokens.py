"""Tokens with the characters that they stand for, and the layer that pruned each."""

from __future__ import annotations

import numpy as np

from ltp_deploy.data.pieces import Piece
from ltp_deploy.explain.tokens import pruned_by, segments_of, sequence_of


def test_a_token_is_pruned_by_the_first_layer_that_lacks_it() -> None:
    survivors = [np.array(kept) for kept in ([0, 1, 2, 4], [0, 4], [0])]
    assert pruned_by(5, survivors) == [None, 1, 1, 0, 2]
    assert pruned_by(2, [np.array([0, 1]), np.array([], int)]) == [1, 1]


def test_tokens_stand_for_the_text_with_its_own_letters_and_spaces() -> None:
    text = "Un Fün, 🌹x"
    pieces = [
        Piece("[CLS]", None, None, None),
        Piece("un", 0, 2, 0),
        Piece("\u0120fu", 2, 5, 0),  # with the space before it, as some tokenizers have it
        Piece("##n", 5, 6, 0),
        Piece(",", 6, 7, 0),
        Piece("\u00f0\u0141", 8, 9, 0),  # two tokens of one character's bytes
        Piece("\u00ae", 8, 9, 0),
        Piece("x", 9, 10, 0),
        Piece("[SEP]", None, None, None),
    ]
    kept = [np.array([0, 1, 8]), np.array([], int)]
    found = sequence_of(pieces, [text], kept)
    shown = [(token.text, token.space) for token in found.tokens]
    assert shown == [
        ("[CLS]", True),
        ("Un", True),
        ("Fü", True),
        ("n", False),
        (",", False),
        ("🌹", True),
        ("", False),
        ("x", False),
        ("[SEP]", True),
    ]
    for token in found.tokens[1:-1]:
        assert text[token.start : token.end] == token.text
    assert found.alive == (9, 3, 0)
    assert found.finished == 1


def test_the_texts_say_how_far_they_were_read() -> None:
    windows = [[Piece("b", 2, 3, 0), Piece("x", 0, 1, 1)], [Piece("c", 4, 5, 0)]]
    first, second, third = segments_of(["a b c d", "x", ""], windows)
    assert (first.start, first.end) == (2, 5)
    assert (second.start, second.end) == (0, 1)
    assert (third.start, third.end) == (None, None)
