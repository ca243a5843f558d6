"""Random requests to one engine: a valid one is answered, with the bits that each of its sequences
gets alone; any other is an InputError."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from ltp_deploy.errors import InputError
from ltp_deploy.runtime.engine import Engine, load

EXAMPLES = 250  # of one seed
LAST = "LTP_FUZZ_LAST"  # names the file that a request is written to before it is asked

Request = dict[str, Any]


class WrongAnswer(Exception):
    """An answer that is not the one that the sequence gets alone, or a refusal without a reason."""


def valid(vocabulary: int, longest: int) -> st.SearchStrategy[Request]:
    """Requests of token ids in the forms that an engine takes."""
    ids = st.lists(st.integers(0, vocabulary - 1), min_size=1, max_size=longest)
    return st.lists(ids, min_size=1, max_size=6).flatmap(
        lambda rows: st.sampled_from([form(rows) for form in FORMS])
    )


def _lists(rows: list[list[int]]) -> Request:
    return {"input_ids": rows}


def _packed(kind: str) -> Callable[[list[list[int]]], Request]:
    def form(rows: list[list[int]]) -> Request:
        ends = np.cumsum([0, *map(len, rows)])
        return {"ids": np.array(np.concatenate(rows), kind), "offsets": ends.astype(kind)}

    return form


def _padded(rows: list[list[int]]) -> Request:
    shape = len(rows), max(map(len, rows))
    ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": 0 * ids}


FORMS = (_lists, _packed("i4"), _packed("i8"), _packed("u2"), _packed(">i8"), _padded)

_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([-1, 2**31, 2**32, 2**63, 89, 90]),
    st.floats(),
    st.booleans(),
)
_LEAVES = st.one_of(_NUMBERS, st.none(), st.text(max_size=3), st.binary(max_size=3))
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=2), inner, max_size=2),
        st.tuples(inner, inner),
    ),
    max_leaves=12,
)
_ARRAYS = st.builds(
    lambda values, kind, shape: np.resize(np.array(values, kind), shape),
    st.lists(st.integers(0, 100), min_size=1, max_size=8),
    st.sampled_from(["i1", "u1", "i8", "u8", "f4", "f8", "?", "U4", "O", "M8[s]"]),
    st.sampled_from([(), (0,), (1,), (4,), (2, 2), (0, 3), (3, 0), (1, 2, 2)]),
)
_NAMES = ("texts", "input_ids", "token_type_ids", "attention_mask", "ids", "offsets")
_TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(codec=None), max_size=40),
        st.tuples(st.text(max_size=9), st.text(max_size=9)),
    ),
    max_size=4,
)


@st.composite
def spoiled(draw: st.DrawFn, vocabulary: int, longest: int) -> Request:
    """A valid request of which something was replaced; or nothing but chance."""
    request = draw(st.one_of(valid(vocabulary, longest), st.just({}), _TEXTS.map(_as_texts)))
    for name in draw(st.lists(st.sampled_from(_NAMES), max_size=2, unique=True)):
        request = {**request, name: draw(st.one_of(_ANYTHING, _ARRAYS, _lists_of_numbers()))}
    return request


def _as_texts(texts: list[Any]) -> Request:
    return {"texts": texts}


def _lists_of_numbers() -> st.SearchStrategy[Any]:
    return st.lists(st.one_of(_NUMBERS, st.lists(_NUMBERS, max_size=4)), max_size=5)


@functools.cache
def _engine(bundle: Path) -> Engine:
    return load(bundle)


@functools.cache
def _log() -> int:
    return os.open(os.environ.get(LAST, os.devnull), os.O_WRONLY | os.O_CREAT, 0o600)


def _write_down(request: Request) -> None:
    """Whatever ends the process, what it was asked is known."""
    text = f"{request!r:.4000}\n".encode("utf-8", "backslashreplace")
    os.pwrite(_log(), text, 0)
    with suppress(OSError):  # of /dev/null
        os.ftruncate(_log(), len(text))


def ask_some(bundle: Path, seed: int) -> str:
    """Ask `EXAMPLES` requests of each kind; says how many were answered and how many refused.

    Raises:
        WrongAnswer: with the request, made as small as it can be.
    """
    engine = _engine(bundle)
    counts = {"answered": 0, "refused": 0}
    sizes = engine.config.vocab_size, engine.limits.max_length

    def run(request: Request) -> np.ndarray | None:
        _write_down(request)
        try:
            found = engine(**request).logits
        except InputError:
            counts["refused"] += 1
            return None
        counts["answered"] += 1
        if found.shape[1:] != (engine.config.num_labels,):
            raise WrongAnswer(f"{found.shape} for {request!r:.500}")
        return found

    @_seeded(seed)
    @hypothesis.given(valid(*sizes))
    def answered_as_alone(request: Request) -> None:
        found = run(request)
        alone = [engine(input_ids=[row]).logits[0] for row in _rows(request)]
        if found is None or found.tobytes() != np.array(alone).tobytes():
            raise WrongAnswer(f"{found} instead of {alone} for {request!r:.500}")

    @_seeded(seed)
    @hypothesis.given(spoiled(*sizes))
    def answered_or_refused(request: Request) -> None:
        run(request)

    answered_as_alone()
    answered_or_refused()
    return f"{counts['answered']} answered, {counts['refused']} refused"


def _rows(request: Request) -> list[list[int]]:
    """The sequences of a valid request."""
    if "ids" in request:
        return [part.tolist() for part in np.split(request["ids"], request["offsets"][1:-1])]
    rows = request["input_ids"]
    if "attention_mask" in request:
        mask = request["attention_mask"].sum(1)
        return [row[:n].tolist() for row, n in zip(rows, mask, strict=True)]
    return list(rows)


def _seeded(seed: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def decorate(test: Callable[[], None]) -> Callable[[], None]:
        limited = settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            derandomize=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        return hypothesis.seed(seed)(limited(test))

    return decorate
