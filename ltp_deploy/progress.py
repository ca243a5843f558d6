"""How far long work has come, on standard error: a bar on a terminal, elsewhere plain lines.

tqdm draws the bar, and is imported on terminals only. It could write to files too, but there a bar
is thousands of characters on one line that no log shows before the work is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, TypeVar

T = TypeVar("T")
SHORT = 3.0  # seconds; work that takes less writes no line
EVERY = 15.0  # seconds between two lines, at least


class Output:
    """Where progress is shown.

    Attributes:
        clock: seconds that only rise.
        last: when the last line was written, of whatever work.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self.clock = clock
        self.last = float("-inf")

    @property
    def stream(self) -> TextIO | None:
        """What was given, or else standard error, which a process may lack."""
        return self._stream or sys.stderr

    @property
    def is_terminal(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def write(self, line: str) -> None:
        """Write a line at once. Work goes on where nobody can read it, for example in a pipe that
        was closed."""
        self.last = self.clock()
        if self.stream is not None:
            with suppress(OSError):
                print(line, file=self.stream, flush=True)


STDERR = Output()


class Progress:
    """The progress of one piece of work, as a context manager.

    Where the output is no terminal, the first line comes after `SHORT` seconds, the next ones no
    sooner than `EVERY` seconds after each other, and a last one where the work ends without an
    error. Lines are written by `update`, so a single step that lasts longer delays them.

        with Progress("tune", total=40, unit="setting") as progress:
            for setting in settings:
                progress.tell(score=judge(setting))
                progress.update()

    writes lines like `tune: setting 12/40, score 88.3, 1 m 05 s left`.

    Args:
        title: what is done.
        total: the number of steps, None where it is not known.
        unit: what a step is, in the singular.
        leave: False for work that may be a part of other work. Its bar is removed at the end; its
            lines wait until no other work has written one for `EVERY` seconds, and there is no
            last one.
        initial: steps that were done before, by an earlier process.
        output: standard error unless given.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "step",
        leave: bool = True,
        initial: int = 0,
        output: Output = STDERR,
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.count = self._initial = initial
        self._leave, self._output = leave, output
        self._facts: dict[str, str] = {}
        self._begin = output.clock()
        self._last = float("-inf")
        self._bar = self._new_bar() if output.is_terminal else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(finished=kind is None)

    def tell(self, **facts: float | str) -> None:
        """Say something about the work, which the next bar or line shows.

        What was said before stays until the same name is given again. An underscore in a name is
        shown as a space, and numbers with four digits; a str is shown as it is.
        """
        for name, value in facts.items():
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            self._facts[name.replace("_", " ")] = text
        if self._bar is not None:
            self._bar.set_postfix(self._facts, refresh=False)

    def update(self, steps: int = 1) -> None:
        """Say that so many steps more are done."""
        self.count += steps
        if self._bar is not None:
            self._bar.update(steps)
        elif self._due():
            self._write(self._time())

    def close(self, finished: bool = True) -> None:
        """End the work; an error that stopped it (not `finished`) speaks for itself."""
        if self._bar is not None:
            self._bar.close()
        elif finished and self._leave and self._seconds >= SHORT:
            self._write(f"took {duration(self._seconds)}")

    @property
    def _seconds(self) -> float:
        return self._output.clock() - self._begin

    def _due(self) -> bool:
        last = self._last if self._leave else self._output.last
        return self._seconds >= SHORT and self._output.clock() - last >= EVERY

    def _time(self) -> str:
        """The time left at the rate so far, or else the time that has passed."""
        done = self.count - self._initial
        if self.total is None or done < 1:
            return f"{duration(self._seconds)} so far"
        return f"{duration(self._seconds / done * max(0, self.total - self.count))} left"

    def _write(self, end: str) -> None:
        of = "" if self.total is None else f"/{self.total}"
        facts = [f"{name} {value}" for name, value in self._facts.items()]
        parts = [f"{self.unit} {self.count}{of}", *facts, end]
        self._output.write(f"{self.title}: {', '.join(parts)}")
        self._last = self._output.last

    def _new_bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=self.title,
            total=self.total,
            unit=f" {self.unit}",
            leave=self._leave,
            initial=self._initial,
            file=self._output.stream,
        )


def track(
    items: Iterable[T],
    title: str,
    unit: str,
    total: int | None = None,
    output: Output = STDERR,
) -> Iterator[T]:
    """The items one by one, with the progress of a `Progress` that does not `leave`.

    Args:
        total: the number of items, where they do not know it themselves.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(title, total, unit, leave=False, output=output) as progress:
        for item in items:
            yield item
            progress.update()


def duration(seconds: float) -> str:
    """Like 42 s, 3 m 05 s, or 1 h 04 m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} m"
