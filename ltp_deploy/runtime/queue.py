"""Requests that wait for an engine, and leave together."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real

from ltp_deploy.bundle.limits import Limits
from ltp_deploy.errors import DeadlineExceeded, EngineClosed, InputError, LtpError, Overloaded
from ltp_deploy.runtime.request import Request
from ltp_deploy.runtime.result import Result

Answer = Callable[[Sequence[Request]], list[Result]]


@dataclass(frozen=True)
class QueueOptions:
    """How requests wait.

    Attributes:
        batch_tokens: requests are answered together up to so many tokens; what the engine accepts
            at most is a limit as well. Short sequences gain from company until the weights, which
            are read once for all of them, no longer decide the time; from then on a larger batch
            only makes everybody wait for the last.
        max_waiting: requests that wait at the same time.

    Raises:
        LtpError: a number below 1.
    """

    batch_tokens: int = 1024
    max_waiting: int = 1024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise LtpError(f"{name} must be a whole number from 1 on, found {value!r}")


@dataclass(frozen=True)
class _Waiting:
    """A request in the queue; `expires` is a time of `time.monotonic`."""

    request: Request
    expires: float | None
    future: Future[Result] = field(default_factory=Future)


class RequestQueue:
    """A bounded queue, first in, first out.

    A worker that is free takes whatever waits at that moment, so that a lone request never waits
    for company; while all workers are busy, requests gather. A worker goes on until nothing waits,
    so that the requests in the queue are all that grows with the load. There are as many workers as
    the engine runs requests side by side, and none before the first request.

    Attributes:
        told: called with the number of requests that wait, whenever it is another one; under the
            queue's lock.
    """

    def __init__(self, workers: int, limits: Limits, options: QueueOptions):
        self._limits = limits
        self._options = options
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self.told: Callable[[int], None] | None = None
        self._closed = False
        self._process = os.getpid()
        self._own = threading.local()
        self._most_busy = workers
        self._busy = 0
        self._workers = ThreadPoolExecutor(workers, "ltp-engine")

    def submit(self, request: Request, deadline: float | None, answer: Answer) -> Future[Result]:
        """Put a request that was checked into the queue.

        Args:
            deadline: seconds from now within which its answering must begin, None for any time.
            answer: what answers it together with others. It comes with the request, so that the
                queue keeps no engine alive.

        Raises:
            InputError: the deadline is no positive number.
            Overloaded: the queue is full.
            EngineClosed: the queue was closed.
        """
        waiting = _Waiting(request, _expiry(deadline))
        late: list[_Waiting] = []
        try:
            with self._lock:
                self._check_open()
                if len(self._waiting) >= self._options.max_waiting:
                    late = self._make_room()
                if len(self._waiting) >= self._options.max_waiting:
                    raise Overloaded(
                        f"{len(self._waiting)} requests are waiting, and no more may; try again "
                        "later, or load the bundle with a larger max_waiting"
                    )
                if self._busy < self._most_busy:
                    self._begin(answer)
                self._waiting.append(waiting)
                self._tell()
        finally:
            _expire(late)
        return waiting.future

    @property
    def waiting(self) -> int:
        """Requests that have not begun."""
        return len(self._waiting)

    def close(self, cancel: bool = False) -> bool:
        """Take no more requests, answer those that wait, and end the workers.

        Args:
            cancel: those that wait fail with EngineClosed instead.

        Returns:
            Whether all that is done; not where a worker closes its own queue, as the callback of a
            future may: a worker cannot wait for itself.
        """
        if self._process != os.getpid():
            return False  # the workers are the parent's, and so are the engine's own threads
        dropped: list[_Waiting] = []
        with self._lock:
            self._closed = True
            if cancel:
                dropped = list(self._waiting)
                self._waiting.clear()
                self._tell()
        for waiting in dropped:
            if waiting.future.set_running_or_notify_cancel():
                waiting.future.set_exception(
                    EngineClosed("the engine was closed before this request began")
                )
        done = not getattr(self._own, "working", False)
        self._workers.shutdown(wait=done)
        return done

    def _tell(self) -> None:
        if told := self.told:
            told(len(self._waiting))

    def _check_open(self) -> None:
        if self._closed:
            raise EngineClosed("the engine was closed; load the bundle again")

    def _begin(self, answer: Answer) -> None:
        """Set one more worker to work; under the lock."""
        try:
            self._workers.submit(self._work, answer)
        except RuntimeError:  # the interpreter is ending
            raise EngineClosed("the process is ending, so nothing new begins") from None
        self._busy += 1

    def _work(self, answer: Answer) -> None:
        """Answer what waits until nothing does."""
        self._own.working = True
        while True:
            taken, late = self._take()
            _expire(late)
            if taken:
                _answer(taken, answer)
            elif not late:
                return

    def _take(self) -> tuple[list[_Waiting], list[_Waiting]]:
        """(requests to answer together, requests whose deadline has passed).

        Where both are empty, the worker is no longer busy: whatever comes after needs another.
        """
        taken: list[_Waiting] = []
        late: list[_Waiting] = []
        tokens = sequences = 0
        with self._lock:
            while self._waiting:
                batch = self._waiting[0].request.batch
                tokens += len(batch.input_ids)
                sequences += batch.sequences
                if taken and not self._fit(tokens, sequences):
                    break
                first = self._waiting.popleft()
                if not _sort_out(first, late) and first.future.set_running_or_notify_cancel():
                    taken.append(first)
                else:
                    tokens -= len(batch.input_ids)
                    sequences -= batch.sequences
            self._tell()
            if not taken and not late:
                self._busy -= 1
        return taken, late

    def _fit(self, tokens: int, sequences: int) -> bool:
        """Whether so much is one batch."""
        most = min(n for n in (self._options.batch_tokens, self._limits.max_tokens) if n)
        return tokens <= most and sequences <= (self._limits.max_batch or sequences)

    def _make_room(self) -> list[_Waiting]:
        """Drop requests that were cancelled or are late; returns the late ones."""
        late: list[_Waiting] = []
        self._waiting = deque(w for w in self._waiting if not _sort_out(w, late))
        return late


def _sort_out(waiting: _Waiting, late: list[_Waiting]) -> bool:
    """Whether a request needs no answer any more; one whose deadline has passed joins `late`."""
    is_late = waiting.expires is not None and time.monotonic() > waiting.expires
    if not is_late and not waiting.future.cancelled():
        return False
    if waiting.future.set_running_or_notify_cancel():  # else it tells who waits for a cancelled one
        late.append(waiting)
    return True


def _expiry(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    if isinstance(deadline, bool) or not isinstance(deadline, Real):
        raise InputError(f"deadline must be a number of seconds, found {deadline!r}")
    if not (deadline > 0 and isfinite(deadline)):
        raise InputError(f"deadline must be a positive number of seconds, found {deadline}")
    return time.monotonic() + float(deadline)


def _expire(late: list[_Waiting]) -> None:
    """Not under the lock, since callbacks of a future may submit."""
    for waiting in late:
        waiting.future.set_exception(
            DeadlineExceeded("the deadline passed before the engine had begun with the request")
        )


def _answer(taken: list[_Waiting], answer: Answer) -> None:
    """Answer requests together or, where that fails, one by one, so that none fails for another."""
    try:
        results = answer([waiting.request for waiting in taken])
    except BaseException as error:  # as an executor does: who waits must hear of it
        if len(taken) == 1:
            taken[0].future.set_exception(error)
        else:
            for waiting in taken:
                _answer([waiting], answer)
        return
    for waiting, result in zip(taken, results, strict=True):
        waiting.future.set_result(result)
