"""What tests of the programs in `benchmarks` share."""

from __future__ import annotations

from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their modules can be imported, as by a program that lies beside them."""
    monkeypatch.syspath_prepend(BENCHMARKS)
