"""A large request in pieces: the same sequences in their order, each as large as it may be."""

from __future__ import annotations

import numpy as np
import pytest

from ltp_deploy.data.batch import join
from ltp_deploy.runtime.request import Request
from tests.answers import random_batch


def sizes(pieces: list[Request]) -> list[list[int]]:
    return [piece.batch.lengths.tolist() for piece in pieces]


@pytest.mark.parametrize(
    ("tokens", "sequences", "expected"),
    [
        (100, 0, [[5, 7, 3, 30, 2, 2]]),
        (12, 0, [[5, 7], [3], [30], [2, 2]]),
        (100, 4, [[5, 7, 3, 30], [2, 2]]),
        (10, 1, [[5], [7], [3], [30], [2], [2]]),
        (4, 0, [[5], [7], [3], [30], [2, 2]]),
    ],
)
def test_pieces_are_cut_where_the_next_text_is_too_much(
    tokens: int, sequences: int, expected: list[list[int]]
) -> None:
    batch = random_batch([5, 7, 3, 30, 2, 2])
    cut = np.array([False, True, False, True, False, False])
    pieces = Request(batch, cut).pieces(tokens, sequences)
    assert sizes(pieces) == expected
    together = join([piece.batch for piece in pieces])
    for name in ("input_ids", "token_type_ids", "offsets"):
        np.testing.assert_array_equal(getattr(together, name), getattr(batch, name))
    found = [piece.truncated for piece in pieces if piece.truncated is not None]
    assert np.concatenate(found).tolist() == cut.tolist()


def test_windows_of_a_text_stay_together() -> None:
    request = Request(random_batch([5, 7, 3, 6, 2]), np.zeros(3, bool), np.array([1, 3, 1]))
    pieces = request.pieces(12)
    assert sizes(pieces) == [[5], [7, 3, 6], [2]]
    assert [piece.windows.tolist() for piece in pieces if piece.windows is not None] == [
        [1],
        [3],
        [1],
    ]
    assert sizes(request.pieces(100, 4)) == [[5, 7, 3, 6], [2]]
