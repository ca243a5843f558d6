"""Bad requests are refused with what was found and what to do, and the engine stays usable."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ltp_deploy.errors import InputError, LtpError
from ltp_deploy.runtime.engine import Engine, load

GOOD = {"input_ids": [[2, 7, 9, 3], [2, 3]]}
LONG = [2] * 41  # the position table holds 40
AROUND = [0, 2**31 - 1, -(2**31), -1, 0, 3]  # which never falls, in 32 bits


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"input_ids": []}, "the batch is empty; give at least one sequence"),
        ({"input_ids": np.zeros((0, 5), int)}, "the batch is empty"),
        ({"texts": []}, "the batch is empty"),
        ({"texts": np.array(0)}, "texts must be a list of strings, found ndarray"),
        ({"ids": [], "offsets": [0]}, "the batch is empty"),
        ({"ids": [], "offsets": []}, "the batch is empty"),
        ({"input_ids": [[2, 3], []]}, "sequence 1 is empty; leave it out"),
        ({"input_ids": np.zeros((2, 0), int)}, "sequence 0 is empty"),
        ({"ids": [2, 3], "offsets": [0, 0, 2]}, "sequence 0 is empty"),
        ({"input_ids": [[2, 90]]}, r"input_ids of sequence 0 holds 90, allowed are 0..89"),
        ({"input_ids": [[2], [5, -1]]}, r"input_ids of sequence 1 holds -1, allowed are 0..89"),
        ({"input_ids": [[2, 2**40]]}, "1099511627776: no 32-bit integers"),
        ({"input_ids": [[2, 3]], "token_type_ids": [[0, 2]]}, "token_type_ids .* 2, .* 0..1"),
        ({"input_ids": [LONG]}, "sequence 0 has 41 tokens, the engine takes at most 40; truncate"),
        ({"ids": [2, 3, 4], "offsets": [1, 3]}, "offsets must start at 0, found 1"),
        ({"ids": [2, 3, 4], "offsets": [0, 2, 1, 3]}, "must not decrease, but go from 2 to 1"),
        ({"ids": [2, 3, 4], "offsets": [0, 2]}, "must end at the number of ids, 3, but end at 2"),
        ({"ids": [2, 3, 4], "offsets": [0, 4]}, "must end at the number of ids, 3, but end at 4"),
        ({"ids": [2, 3, 4], "offsets": [0.0, 3.0]}, "offsets must hold integers, found float64"),
        ({"ids": [2, 3, 4], "offsets": [[0, 3]]}, "offsets must be one-dimensional"),
        ({"ids": [2, 3, 4], "offsets": 3}, "offsets must be one-dimensional"),
        ({"ids": [2.0, 3.0], "offsets": [0, 2]}, "ids must hold integers, found float64"),
        ({"ids": [[2, 3]], "offsets": [0, 2]}, "ids must be one-dimensional"),
        ({"ids": [2], "offsets": [0, 1], "token_type_ids": [0, 0]}, "has 2 entries, ids has 1"),
        ({"ids": [2, 3]}, "ids and offsets go together"),
        ({"input_ids": [[2, 3]], "offsets": [0, 2]}, "ids and offsets go together"),
        ({}, "exactly one of texts, input_ids, ids; found none"),
        ({"input_ids": [[2]], "texts": "a"}, "exactly one of .* found"),
        ({"input_ids": [[2.5, 3.0]]}, "must hold integers, found float64"),
        ({"input_ids": np.zeros((1, 3), np.float32)}, "must hold integers, found float32"),
        ({"input_ids": [["film"]]}, "must hold integers"),
        ({"input_ids": [[None]]}, "must hold integers, found object"),
        ({"input_ids": [[True, False]]}, "must hold integers, found bool"),
        ({"input_ids": [[2, True, 3]]}, "must hold integers, found bool"),
        ({"input_ids": [[2, np.True_]]}, "must hold integers, found bool"),
        ({"ids": (2, True, 3), "offsets": [0, 3]}, "ids must hold integers, found bool"),
        ({"ids": [2, 3], "offsets": [False, 2]}, "offsets must hold integers, found bool"),
        ({"input_ids": [[2, 3]], "token_type_ids": [[0, True]]}, "token_type_ids.* found bool"),
        ({"ids": [2, 3, 4], "offsets": AROUND}, "must not decrease, but go from 2147483647 to"),
        ({"ids": [2, 3, 4], "offsets": [0, 2**31]}, "offsets holds values .* no 32-bit integers"),
        ({"ids": [2, 3, 4], "offsets": [0, -(2**31) - 1]}, "offsets holds .* no 32-bit integers"),
        ({"input_ids": "film"}, "must be a list of sequences, found str"),
        ({"input_ids": 5}, "must be a list of sequences, found int"),
        ({"input_ids": [2, 3]}, "must be a flat list of integers"),
        ({"input_ids": np.array([2, 3])}, r"found an array of shape \(2,\)"),
        ({"input_ids": [[[2, 3]]]}, "must be a flat list of integers, found 2-D"),
        ({"input_ids": [[[2, 3], [4]]]}, "not a sequence of integers"),
        ({"input_ids": [[2, 3]], "token_type_ids": [[0]]}, "token_type_ids must have the same"),
        ({"input_ids": [[2, 3]], "token_type_ids": [[0.5, 0]]}, "token_type_ids.* integers"),
        ({"input_ids": [[2, 3]], "attention_mask": [[1]]}, "attention_mask must have the same"),
        ({"input_ids": [[2, 3]], "attention_mask": [[1.0, 1.0]]}, "attention_mask.* integers"),
        ({"input_ids": [[2, 3]], "attention_mask": [[0, 1]]}, "after padding; pad on the right"),
        ({"input_ids": [[2, 3]], "attention_mask": [[0, 0]]}, "sequence 0 is empty"),
        ({"texts": "a", "attention_mask": [[1, 1]]}, "attention_mask goes with input_ids"),
        ({"texts": "a", "token_type_ids": [[0, 0]]}, "token_type_ids .* texts"),
        ({"ids": [2], "offsets": [0, 1], "attention_mask": [[1]]}, "attention_mask goes with"),
        ({"texts": 5}, "texts .* found int"),
        ({"texts": ["film", 5]}, "text 1 must be a string or a pair of strings, found 5"),
        ({"texts": [("a", "film", "is")]}, "text 0 must be a string or a pair"),
        ({"texts": [["a", "film", "is"]]}, "text 0 must be a string or a pair"),
        ({"texts": b"film"}, "texts must be a list of strings, found bytes"),
        ({"texts": ["fine", "a \ud83d film"]}, r"text 1 holds half a character, .* at position 2"),
        ({"texts": [("fine", "a film \udc00")]}, r"text 0 holds half a character, .* position 7"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:50].replace("\n", ""),
)
def test_a_bad_request_is_refused_and_the_engine_goes_on(
    engine: Engine, request_: dict, message: str
) -> None:
    expected = engine(**GOOD).logits
    with pytest.raises(InputError, match=message):
        engine(**request_)
    np.testing.assert_array_equal(engine(**GOOD).logits, expected)


def test_bad_requests_are_both_ours_and_value_errors() -> None:
    assert issubclass(InputError, LtpError)
    assert issubclass(InputError, ValueError)


def test_the_longest_sequence_is_still_taken(engine: Engine) -> None:
    assert np.isfinite(engine(input_ids=[LONG[:-1]]).logits).all()


def test_texts_need_a_tokenizer_in_the_bundle(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    engine = load(bundle_of(checkpoint_of("roberta", "mixed"), "torchscript"))
    with pytest.raises(InputError, match=r"carries no tokenizer, .* pass input_ids"):
        engine("a film")
    assert np.isfinite(engine(**GOOD).logits).all()
