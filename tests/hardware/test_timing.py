"""The interleaved timer, on a clock that only the timed calls move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ltp_deploy.hardware import timing
from ltp_deploy.hardware.timing import Timings, interleave


class Clock:
    """Time passes in calls made by `taking` alone; `log` has their names in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def taking(self, name: str, *seconds: float) -> Callable[[], None]:
        durations = list(seconds)

        def call() -> None:
            self.log.append(name)
            self.now += durations.pop(0) if len(durations) > 1 else durations[0]

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_every_call_is_timed_alone(clock: Clock):
    runners = {
        "a": [clock.taking("a0", 1.0), clock.taking("a1", 2.0)],
        "b": [clock.taking("b0", 10.0), clock.taking("b1", 20.0)],
    }
    found = interleave(runners, iterations=3, settle=100.0)
    assert found["a"].samples == [[1.0] * 3, [2.0] * 3]
    assert found["b"].samples == [[10.0] * 3, [20.0] * 3]


def test_sides_take_turns_and_change_their_order(clock: Clock):
    runners = {name: [clock.taking(name, 1.0)] for name in "abc"}
    interleave(runners, iterations=3)
    assert clock.log == list("abcbcacab")


def test_seconds_end_the_run(clock: Clock):
    found = interleave({"a": [clock.taking("a", 1.0)]}, seconds=10.0)
    # The first pass is not counted: time starts after it.
    assert len(found["a"].samples[0]) == 11


def test_every_request_is_timed_however_short_the_time(clock: Clock):
    found = interleave({"a": [clock.taking("a", 5.0)] * 4}, seconds=0.0)
    assert [len(repetitions) for repetitions in found["a"].samples] == [1, 1, 1, 1]


def test_total_takes_each_request_once_at_its_median():
    assert Timings([[1.0, 2.0, 90.0], [4.0]]).total == 6.0


def test_percentiles_are_over_all_repetitions():
    timings = Timings([[1.0, 3.0], [2.0, 4.0, 5.0]])
    assert [timings.percentile(q) for q in (0, 50, 100)] == [1.0, 3.0, 5.0]
