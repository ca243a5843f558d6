"""Signals in processes that tests start."""

from __future__ import annotations

import signal
from collections.abc import Sequence

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def set_signals(ignored: Sequence[int] = ()) -> None:
    """For a process that begins: whatever the shell of the tests ignores, these and no others."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
