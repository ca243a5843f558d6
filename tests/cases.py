"""Which checkpoints a test of every family and every policy takes."""

from __future__ import annotations

from itertools import cycle, product
from typing import Any

import pytest

from tests.released import MODES
from tests.tiny import FAMILIES, POLICIES

ALL_POLICIES = (*POLICIES, None)
# Every family and every policy is in one of them.
PAIRS = set(zip(cycle(FAMILIES), ALL_POLICIES, strict=False))


def families_and_policies() -> list[Any]:
    """Parameters (family, policy): the released modes, `PAIRS`, and in `make test-all` the rest."""
    released = [pytest.param("ltp", mode) for mode in MODES]
    tiny = [
        pytest.param(*case, marks=[] if case in PAIRS else pytest.mark.full)
        for case in product(FAMILIES, ALL_POLICIES)
    ]
    return [*tiny, *released]
