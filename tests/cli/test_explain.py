"""`ltp-deploy explain`, as people type it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ltp_deploy.checkpoint import load_encoder
from ltp_deploy.cli import main
from ltp_deploy.runtime.engine import load
from tests.answers import oracle_answers

TEXT = "the film is good . a very bad film was not great . dull dull goods ."
LAYERS = 3
STYLES = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(scope="module")
def bundle(bert_checkpoint: Path, bundle_of: Callable[..., Path]) -> Path:
    return bundle_of(bert_checkpoint, survivors=False)


def call(*arguments: object, columns: int = 100) -> Result:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    return runner.invoke(main, ["explain", *map(str, arguments)])


def succeeds(*arguments: object, columns: int = 100) -> str:
    result = call(*arguments, columns=columns)
    assert result.exit_code == 0, result.output
    return result.output


def expected(checkpoint: Path, bundle: Path) -> tuple[list[str], list[list[int]]]:
    """The tokens of `TEXT`, and the oracle's survivors."""
    with load(bundle) as engine:
        read = engine.tokenizer.tokenize([TEXT], pieces=True)
    ((pieces,),) = read.pieces
    names = [piece.token.removeprefix("##") for piece in pieces]
    return names, oracle_answers(load_encoder(checkpoint), read.batch)[1][0]


def pictures(output: str) -> dict[str, str]:
    """What stands below the line of each layer, in one line."""
    found: dict[str, str] = {}
    name = ""
    for line in output.splitlines():
        if line.startswith("  ") and name:
            found[name] = " ".join([*found.get(name, "").split(), *line.split()])
        else:
            name = line.split("  ")[0]
    return found


@pytest.mark.parametrize("columns", [40, 100])
def test_pruned_tokens_are_dots_without_colours(
    columns: int, bert_checkpoint: Path, bundle: Path
) -> None:
    output = succeeds(bundle, TEXT, columns=columns)
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= max(columns, 60)
    names, survivors = expected(bert_checkpoint, bundle)
    found = pictures(output)
    everyone = list(range(len(names)))
    for step, kept in enumerate([everyone, *survivors]):
        name = f"layer {step - 1}" if step else "read"
        line = next(line for line in output.splitlines() if line.startswith(f"{name} "))
        assert f" {len(kept)} of {len(names)} alive" in line
        shown = "".join(
            "·" * len(token) if i not in kept else token for i, token in enumerate(names)
        )
        assert found[name].replace(" ", "") == shown


def test_a_terminal_gets_strikes_and_faint_tokens_unless_told_otherwise(bundle: Path) -> None:
    def run(**settings: str) -> str:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "ltp_deploy.cli", "explain", str(bundle), TEXT]
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment |= {"COLUMNS": "100", **settings}
        with subprocess.Popen(command, stdout=theirs, env=environment, close_fds=True) as process:
            os.close(theirs)
            output = b""
            while True:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the terminal's other end was closed
                    break
                if not part:
                    break
                output += part
        os.close(ours)
        assert process.returncode == 0
        return output.decode()

    coloured, plain = run(), run(NO_COLOR="1")
    assert "\x1b[9m" in coloured
    assert "\x1b[2m" in coloured
    assert "\x1b" not in plain
    assert "·" in plain
    read = STYLES.sub("", coloured).splitlines()
    assert [line for line in read if "alive" in line] == [
        line for line in plain.splitlines() if "alive" in line
    ]


def test_the_answer_and_the_time_stand_beside_those_without_pruning(bundle: Path) -> None:
    output = succeeds(bundle, TEXT)
    with load(bundle) as engine, load(bundle, pruning=False) as dense:
        (answer,), (other,) = engine.predict(TEXT), dense.predict(TEXT)
    (row,) = [line.split() for line in output.splitlines() if " * " in line]
    assert row == [str(answer.label), "*", f"{answer.score:.4f}"] + [
        f"{float(other.scores[('bad', 'good').index(str(answer.label))]):.4f}"
    ]
    assert re.search(r"\d ms, [\d.]+ ms with pruning off: [\d.]+x", output)


def test_json_is_the_explanation(bundle: Path) -> None:
    found = json.loads(succeeds(bundle, "a film", "--pair", "dull", "--pruning", "1.5", "--json"))
    assert found["pruning"] == 1.5
    (text,) = found["texts"]
    assert [segment["text"] for segment in text["segments"]] == ["a film", "dull"]
    tokens = [token["token"] for token in text["sequences"][0]["tokens"]]
    assert tokens == ["[CLS]", "a", "film", "[SEP]", "dull", "[SEP]"]


def test_a_page_is_written_in_place_of_the_picture(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    assert succeeds(bundle, TEXT, "--html", file) == f"wrote {file}\n"
    assert '"token": "[CLS]"' in file.read_text()


def test_passages_are_ranked(
    checkpoint_of: Callable[..., Path], bundle_of: Callable[..., Path]
) -> None:
    ranking = bundle_of(checkpoint_of("bert", "relative", labels=1, id2label=None), survivors=False)
    passages = ["dull", "a great film ."]
    output = succeeds(ranking, "a good film", *passages)
    with load(ranking) as engine:
        order = engine.rank("a good film", passages)
    ranks = [f"{rank}. passage {index + 1}" for rank, (index, _) in enumerate(order, 1)]
    assert [line for line in output.splitlines() if ". passage" in line] == ranks
    assert [f"score {score:.4f}" in output for _, score in order] == [True, True]


def test_a_text_that_was_cut_says_how_much(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    short = bundle_of(bert_checkpoint, survivors=False, max_length=12)
    text = "a film is good " * 5
    unread = len(text.strip()) - len("a film is good a film is good a film ")
    assert f"the last {unread} characters were not read" in succeeds(short, text)


def test_what_does_not_go_together_is_refused(bundle: Path) -> None:
    assert "not both" in call(bundle, "a", "b", "--pair", "c").output
    result = call(bundle, "a", "b")
    assert result.exit_code == 1
    assert "a ranking needs one" in result.output


def test_control_characters_do_not_reach_the_terminal(bundle: Path) -> None:
    assert "\x1b" not in succeeds(bundle, "dull\x1b[31m film")
