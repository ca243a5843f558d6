"""Help pages: sections, whole sentences at usual widths, and values that the package knows."""

from __future__ import annotations

import click
import pytest

from ltp_deploy.backends.tensorrt.library import LIBRARIES
from ltp_deploy.benchmark.baselines.peers import PEERS
from ltp_deploy.cli import main
from ltp_deploy.cli.bench import PEERS as OFFERED_PEERS
from ltp_deploy.cli.build import LIBRARIES as OFFERED_LIBRARIES
from ltp_deploy.cli.build import TARGETS as OFFERED_TARGETS
from ltp_deploy.cli.export import CONSUMERS as OFFERED_CONSUMERS
from ltp_deploy.cli.learn import METHODS as OFFERED_METHODS
from ltp_deploy.cli.learn import NEW_HEADS
from ltp_deploy.cli.options import DROP_FROM_DENSE, MAX_DROP, METRICS
from ltp_deploy.cli.options import LONG_TEXTS as OFFERED_LONG_TEXTS
from ltp_deploy.cli.score import FORMATS as OFFERED_FORMATS
from ltp_deploy.data.long_texts import LONG_TEXTS
from ltp_deploy.export.table import CONSUMERS
from ltp_deploy.heads import HEADS
from ltp_deploy.learn.recipe import METHODS
from ltp_deploy.learn.sweep import SETTINGS
from ltp_deploy.score.settings import FORMATS
from ltp_deploy.targets import TARGETS

COMMANDS = ("learn", "tune", "calibrate", "build", "verify", "bench", "report", "inspect", "run")
COMMANDS += ("explain", "export", "serve", "score")


@pytest.fixture(params=[80, 100], ids="{} columns".format)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The width of the terminal."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main.main([*arguments, "-h"], "ltp-deploy", standalone_mode=False) == 0
    return capsys.readouterr().out


def packed(text: str | None) -> str:
    """Without white space, as lines may break anywhere."""
    return "".join((text or "").split())


def test_the_commands_stand_in_the_order_of_work() -> None:
    assert tuple(main.commands) == COMMANDS
    assert tuple(main.list_commands(click.Context(main))) == COMMANDS


def test_the_list_of_commands_has_their_first_sentences_whole(
    width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = page(capsys)
    assert max(map(len, found.splitlines())) <= width
    for name, command in main.commands.items():
        first = (command.help or "").split("\n\n")[0]
        assert first.endswith(".")
        assert packed(name + first) in packed(found)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_every_option_with_its_whole_help(
    name: str, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = page(capsys, name)
    assert max(map(len, found.splitlines())) <= width
    assert "..." not in found
    assert not any(line.endswith("-") for line in found.splitlines()), "a broken name: reword"
    for option in main.commands[name].params:
        if isinstance(option, click.Option) and not option.hidden:
            assert f"  {', '.join(option.opts)}" in found
            assert option.help
            assert packed(option.help) in packed(found)
    assert found.count("--help") == 1


def test_a_wide_terminal_is_used(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    longest = max(map(len, page(capsys, "build").splitlines()))
    assert width - 20 < longest <= width


def test_build_groups_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    sections: dict[str, list[str]] = {}
    for line in page(capsys, "build").splitlines():
        if line.endswith(":") and not line.startswith(" "):
            names = sections.setdefault(line.removesuffix(":"), [])
        elif line.startswith("  -"):
            names.append(next(word for word in line.split() if word.startswith("--")))
    data = ["--text-columns", "--label-column", "--split", "--limit", "--metric"]
    assert sections == {
        "Target": ["--target", "--library"],
        "Model": ["--score-length", "--first-token", "--label-thresholds"],
        "Precision": ["--precision", "--calibration", "--not-int8", "--max-drop", "--judge-data"],
        "Shapes": ["--max-tokens", "--max-batch", "--max-length", "--usual-batch"],
        "Plan": ["--compact", "--profile-data", "--dry-run"],
        "Data": data,
        "Output": [
            "--output",
            "--outputs",
            "--portable-onnx",
            "--no-tokenizer",
            "--cpp-texts",
            "--dump",
            "--force",
        ],
        "Other options": ["--help"],
    }


def test_max_drop_says_what_it_is_counted_from(capsys: pytest.CaptureFixture[str]) -> None:
    """From the oracle where the pruning stays, from the dense model where it is chosen."""
    meanings = {"build": MAX_DROP, "verify": MAX_DROP}
    meanings |= {"learn": DROP_FROM_DENSE, "tune": DROP_FROM_DENSE}
    found = {
        name: option.help or ""
        for name in COMMANDS
        for option in main.commands[name].params
        if isinstance(option, click.Option) and "--max-drop" in option.opts
    }
    assert set(found) == set(meanings)
    assert all(found[name].startswith(meaning) for name, meaning in meanings.items())
    assert "--max-drop-from-dense" not in page(capsys, "tune"), "its earlier name is not shown"


def test_the_offered_values_are_those_that_the_package_knows() -> None:
    known = {name: (target.summary, target.precisions) for name, target in TARGETS.items()}
    assert known == OFFERED_TARGETS
    assert tuple(LIBRARIES) == OFFERED_LIBRARIES
    assert METHODS == OFFERED_METHODS
    assert {name for name, head in HEADS.items() if head.labelled} == set(NEW_HEADS)
    assert LONG_TEXTS == OFFERED_LONG_TEXTS
    assert FORMATS == OFFERED_FORMATS
    assert tuple(dict.fromkeys(name for head in HEADS.values() for name in head.metrics)) == METRICS
    assert tuple(PEERS) == OFFERED_PEERS
    assert {name: found.summary for name, found in CONSUMERS.items()} == OFFERED_CONSUMERS
    sweep = next(option for option in main.commands["learn"].params if option.name == "sweep")
    assert isinstance(sweep, click.Option)
    assert all(name in (sweep.help or "") for name in SETTINGS)
