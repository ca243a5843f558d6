"""Progress in plain lines, on a clock that the tests set, and as a bar on what is a terminal."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import pairwise
from typing import TextIO

import pytest

from ltp_deploy.progress import EVERY, SHORT, Output, Progress, duration, track


class Screen(Output):
    """An output whose clock is `now`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.now = 1000.0
        super().__init__(stream or io.StringIO(), clock=lambda: self.now)

    @property
    def text(self) -> str:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_lines_say_what_is_done_and_what_is_left(screen: Screen) -> None:
    with Progress("soft", total=40, output=screen) as progress:
        for step in range(40):
            screen.now += 2
            progress.tell(epoch=f"{step / 20:.1f} of 2", loss=0.5, tokens_alive="14.2 of 23.1")
            progress.update()
    facts = "loss 0.5, tokens alive 14.2 of 23.1"
    assert screen.lines == [
        f"soft: step 2/40, epoch 0.1 of 2, {facts}, 1 m 16 s left",
        f"soft: step 10/40, epoch 0.5 of 2, {facts}, 1 m 00 s left",
        f"soft: step 18/40, epoch 0.8 of 2, {facts}, 44 s left",
        f"soft: step 26/40, epoch 1.2 of 2, {facts}, 28 s left",
        f"soft: step 34/40, epoch 1.6 of 2, {facts}, 12 s left",
        f"soft: step 40/40, epoch 1.9 of 2, {facts}, took 1 m 20 s",
    ]


def test_short_work_writes_nothing(screen: Screen) -> None:
    with Progress("soft", total=9, output=screen) as progress:
        for _ in range(9):
            screen.now += SHORT / 10
            progress.update()
    assert screen.text == ""


def test_lines_keep_their_distance(screen: Screen) -> None:
    times = []
    with Progress("soft", output=screen) as progress:
        for _ in range(1000):
            screen.now += 0.1
            before = len(screen.lines)
            progress.update()
            times += [screen.now] * (len(screen.lines) - before)
    assert times[0] == pytest.approx(1000 + SHORT, abs=0.11)
    gaps = [b - a for a, b in pairwise(times)]
    assert gaps == pytest.approx([EVERY] * len(gaps), abs=0.11)
    assert len(gaps) == 6


def test_work_without_a_known_end_says_how_long_it_took_so_far(screen: Screen) -> None:
    with Progress("tune", unit="setting", output=screen) as progress:
        progress.tell(score=88.914, tried=3)
        screen.now += 65
        progress.update()
    assert screen.lines == [
        "tune: setting 1, score 88.91, tried 3, 1 m 05 s so far",
        "tune: setting 1, score 88.91, tried 3, took 1 m 05 s",
    ]


def test_steps_of_an_earlier_process_do_not_count_for_the_rate(screen: Screen) -> None:
    progress = Progress("hard", total=100, initial=90, output=screen)
    screen.now += 10
    progress.update(5)
    assert screen.lines == ["hard: step 95/100, 10 s left"]


def test_an_error_leaves_no_line_that_the_work_is_over(screen: Screen) -> None:
    def work() -> None:
        with Progress("soft", total=2, output=screen) as progress:
            screen.now += 60
            progress.update()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert screen.lines == ["soft: step 1/2, 1 m 00 s left"]


def test_a_loop_within_other_work_is_quiet_while_that_speaks(screen: Screen) -> None:
    with Progress("tune", total=6, unit="setting", output=screen) as progress:
        for _ in range(6):
            for _ in track(range(10), "evaluate", "batch", output=screen):
                screen.now += 1.2
            progress.update()
    assert [line.partition(",")[0] for line in screen.lines] == [
        "evaluate: batch 3/10",  # nothing was said before
        "tune: setting 1/6",
        "evaluate: batch 3/10",
        "tune: setting 3/6",
        "evaluate: batch 3/10",
        "tune: setting 5/6",
        "tune: setting 6/6",
    ]


def test_a_loop_that_lasts_is_heard(screen: Screen) -> None:
    found = []
    for item in track(iter("abcd"), "oracle", "batch", total=4, output=screen):
        screen.now += 10
        found.append(item)
    assert found == list("abcd")
    assert screen.lines == ["oracle: batch 1/4, 30 s left", "oracle: batch 3/4, 10 s left"]


def test_a_terminal_shows_a_bar() -> None:
    screen = Screen(Terminal())
    with Progress("soft", total=3, unit="step", output=screen) as progress:
        progress.tell(loss=0.25, tokens_alive="3 of 4")
        progress.update(3)
    assert "soft: 100%" in screen.text
    assert "3/3" in screen.text
    assert "loss=0.25, tokens alive=3 of 4" in screen.text
    assert "left" not in screen.text
    within = Screen(Terminal())
    assert list(track([1, 2], "evaluate", "batch", output=within)) == [1, 2]
    assert within.text.endswith("\r")  # it was wiped


class ClosedPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_work_goes_on_where_nobody_can_read() -> None:
    screen = Screen(ClosedPipe())
    with Progress("soft", output=screen) as progress:
        screen.now += 60
        progress.update()
    assert progress.count == 1


def test_a_process_may_lack_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("ltp_deploy.progress.SHORT", 0.0)
    monkeypatch.setattr(sys, "stderr", None)
    assert list(track("ab", "oracle", "batch")) == ["a", "b"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"), (59.4, "59 s"), (59.6, "1 m 00 s"), (185, "3 m 05 s"), (3599.7, "1 h 00 m"),
        (3869, "1 h 04 m"), (7199, "2 h 00 m"), (90000, "25 h 00 m"),
    ],
)  # fmt: skip
def test_durations_read_easily(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_lines_reach_a_log_at_once_and_need_no_tqdm() -> None:
    code = """
import sys
sys.modules["tqdm"] = None
from ltp_deploy import progress
progress.SHORT = 0.0
shown = progress.Progress("soft", total=2)
shown.update()
sys.stdout.write("asked")
sys.stdout.flush()
sys.stdin.read(1)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout.read(5) == "asked", process.stderr.read()
        assert process.stderr.readline() == "soft: step 1/2, 0 s left\n"  # while it still runs
        process.stdin.write(" ")
