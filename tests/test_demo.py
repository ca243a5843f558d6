"""What examples/demo prints at its end works as typed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

DEMO = Path(__file__).parents[1] / "examples" / "demo"


@pytest.mark.slow
def test_the_next_commands_of_the_demo_work_in_a_plain_shell(
    bert_checkpoint: Path, bundle_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("activate", "ltp-deploy"):
        if not (Path(sys.prefix) / "bin" / name).exists():
            pytest.skip(f"this Python's environment has no bin/{name}")
    monkeypatch.syspath_prepend(str(DEMO))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    bundle = bundle_of(bert_checkpoint, "torchscript")
    commands = importlib.import_module("demo").next_commands(str(bundle))
    assert commands[0].startswith("source ")
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "torchscript" in result.stdout


def test_the_tokenizer_of_the_demo_reads_pairs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(DEMO))
    importlib.import_module("untrained").new_checkpoint(tmp_path)
    found = AutoTokenizer.from_pretrained(tmp_path)("film", "dull film")
    assert found["token_type_ids"] == [0, 0, 0, 1, 1, 1]
    assert [found["input_ids"][i] for i in (0, 2, 5)] == [2, 3, 3]
