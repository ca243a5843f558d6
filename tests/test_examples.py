"""What lies in examples/ runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

RERANK = Path(__file__).parents[1] / "examples" / "rerank" / "rerank.py"


@pytest.mark.slow
def test_a_query_is_ranked_against_the_lines_of_a_file(
    checkpoint_of: Callable[..., Path], tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("bert", "relative", labels=1, id2label={0: "LABEL_0"})
    lines = ["a very good film", "", "dull", "the film was not bad .", "great"]
    (tmp_path / "passages.txt").write_text("\n".join(lines))
    command = [RERANK, checkpoint, tmp_path / "passages.txt", "good film", "--top", "2"]
    result = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    *ranked, empty, summary = result.stdout.splitlines()
    assert len(ranked) == 2
    assert empty == ""
    assert all(line[10:] in lines for line in ranked)
    assert summary.startswith("4 passages in ")
    assert summary.endswith("of the best 2 are the same")
