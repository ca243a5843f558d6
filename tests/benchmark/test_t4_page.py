"""docs/t4.md holds what the cost model says today."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_has_the_table_that_the_script_prints() -> None:
    script = [sys.executable, str(ROOT / "benchmarks" / "t4.py")]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    page = (ROOT / "docs" / "t4.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in page.splitlines() if row.startswith("| ")]
    lines = printed.splitlines()[2:]
    assert len(lines) == 7
    for line in lines:
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        assert cells in rows
