"""Times of several calls in turn."""

from __future__ import annotations

import time

from ltp_deploy.explain.timing import ROUNDS, milliseconds


def test_calls_take_turns_and_none_runs_too_often() -> None:
    calls: list[str] = []
    times = milliseconds([lambda: calls.append("a"), lambda: calls.append("b")])
    assert len(times) == 2
    assert calls == ["a", "b"] * (1 + ROUNDS[1])


def test_a_slow_call_runs_a_few_times() -> None:
    calls: list[int] = []

    def slow() -> None:
        calls.append(1)
        time.sleep(0.2)

    (took,) = milliseconds([slow])
    assert took >= 200
    assert len(calls) == 1 + ROUNDS[0]
