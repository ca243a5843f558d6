"""`ltp-deploy bench` from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ltp_deploy.cli import main

QUICK = ["--iterations", "1", "--batch", "1,3"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.tsv"
    rows = ["a great film", "the film was very dull", "not bad", "good", "a bad film"]
    path.write_text("text\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.slow
def test_data_and_json(bert_bundle: Path, bert_checkpoint: Path, data: Path, tmp_path: Path):
    output = tmp_path / "result.json"
    arguments = [bert_bundle, "--against", bert_checkpoint, "--data", data, "-o", output, "--json"]
    found = CliRunner().invoke(main, ["bench", *map(str, arguments), *QUICK])
    assert found.exit_code == 0, found.output
    result = json.loads(found.stdout)
    assert result == json.loads(output.read_text())
    assert [case["sequences"] for case in result["cases"]] == [5, 3]
    assert result["cases"][0]["tokens"] == 5 * 2 + 3 + 5 + 2 + 1 + 3  # two special tokens each
    assert result["machine"]["cores"] >= 1


def test_lengths_make_a_table_each(bert_bundle: Path):
    found = CliRunner().invoke(main, ["bench", str(bert_bundle), "--lengths", "4,16", *QUICK])
    assert found.exit_code == 0, found.output
    for title in ("batch 1, length 4", "batch 1, length 16", "batch 3, length 16"):
        assert title in found.output


def test_the_dial_is_turned_and_named(bert_bundle: Path):
    arguments = ["bench", str(bert_bundle), "--lengths", "16", "--pruning", "0.5", *QUICK]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    assert "target cpu, f32, pruning 0.5, on" in found.output
    found = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(found.stdout)["pruning"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pruning", "-1"], "-1.0 is not in the range x>=0"),
        (["--pruning", "nan"], "is not a finite number"),
        (["--lengths", "4", "--length-distribution", "9"], "exclude each other"),
        (["--peers", "pytorch"], "needs --against"),
        (["--lengths", "4,x"], "'x' is not a valid whole number"),
        (["--batch", "0"], "0 is not in the range x>=1"),
        (["--length-distribution", "9:0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_options_are_explained(arguments: list[str], message: str):
    found = CliRunner().invoke(main, ["bench", "bundle", *arguments])
    assert found.exit_code == 2
    assert message in found.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from ltp_deploy.cli import main\n"
        "assert CliRunner().invoke(main, ['bench', '-h']).exit_code == 0\n"
        "print({'torch', 'openvino', 'transformers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
