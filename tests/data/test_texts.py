"""Texts as users pass them."""

import numpy as np
import pytest

from ltp_deploy.data.texts import as_texts, lone_surrogate
from ltp_deploy.errors import InputError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a film", ["a film"]),
        (("a", "b"), [("a", "b")]),
        (["a", "b"], ["a", "b"]),
        ([("a", "b"), "c"], [("a", "b"), "c"]),
        ([["a", "b"]], [("a", "b")]),  # as JSON has pairs
        (np.array(["a", "b"]), ["a", "b"]),
        ((text for text in "ab"), ["a", "b"]),
        ([], []),
    ],
)
def test_texts_and_pairs_come_in_several_forms(given: object, expected: list) -> None:
    assert as_texts(given) == expected


@pytest.mark.parametrize("given", [b"film", 5, {"text": "good"}, {"good", "bad"}])
def test_what_is_no_list_of_texts_is_refused(given: object) -> None:
    with pytest.raises(InputError, match="texts must be a list of strings, found"):
        as_texts(given)


def test_half_a_character_is_found_and_a_whole_one_is_not() -> None:
    assert lone_surrogate("film \ud83d") == 5
    assert lone_surrogate("film \U0001f602") is None
