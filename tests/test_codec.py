"""Dataclasses as JSON and back, where `tests/bundle` does not say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from ltp_deploy.codec import Malformed, from_json


@dataclass(frozen=True)
class Whole:
    number: int


@dataclass(frozen=True)
class Part(Whole):
    PARTIAL: ClassVar[bool] = True


def test_entries_that_nothing_knows_are_refused_but_of_a_part() -> None:
    document = {"number": 1, "other": {"anything": None}}
    assert from_json(Part, document) == Part(1)
    with pytest.raises(Malformed, match="unknown entry `other`"):
        from_json(Whole, document)
    with pytest.raises(Malformed, match="no entry `number`"):
        from_json(Part, {"other": 1})


@dataclass(frozen=True)
class Real:
    number: float


def test_an_integer_that_no_float_holds_is_refused() -> None:
    assert from_json(Real, {"number": 3}) == Real(3.0)
    with pytest.raises(Malformed, match="`number`: int too large"):
        from_json(Real, {"number": 10**400})
