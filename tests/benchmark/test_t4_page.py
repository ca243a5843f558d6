"""docs/t4.md holds what the cost model says today."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "t4.md").read_text(encoding="utf-8")
Table = list[list[str]]


@pytest.fixture(scope="module")
def printed() -> list[Table]:
    """The script's tables: headings, then rows."""
    script = [sys.executable, str(ROOT / "benchmarks" / "t4.py")]
    output = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    tables = [table.splitlines() for table in output.strip().split("\n\n")]
    return [[re.split(" {2,}", line.strip()) for line in (t[0], *t[2:])] for t in tables]


def tables_of(page: str) -> list[Table]:
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("| ")]
    return [[row.strip("| ").split(" | ") for row in (b[0], *b[2:])] for b in blocks]


@pytest.mark.slow
def test_the_page_has_the_tables_that_the_script_prints(printed: list[Table]) -> None:
    assert [len(table) for table in printed] == [1 + 2 * 7, 1 + 3 * 7]
    for table in printed:
        assert table in tables_of(PAGE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on_page", "stale"),
    [
        ("| 2.21 |", "| 2.27 |"),
        ("| 203 | 99 | 2 |", "| 204 | 99 | 2 |"),
        ("| 203 | 99 | 2 |", "| 204 | 84 | 2 |"),
        ("| 203 | 99 | 2 |", "| 203 | 99 | 0 |"),
        ("MB moved", "GB moved"),
    ],
)
def test_a_stale_page_is_noticed(printed: list[Table], on_page: str, stale: str) -> None:
    assert on_page in PAGE
    changed = tables_of(PAGE.replace(on_page, stale))
    assert not all(table in changed for table in printed)
