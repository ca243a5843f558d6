"""Requests in the queue: what leaves together, what is refused, what an end means."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pytest

from ltp_deploy.bundle.limits import Limits
from ltp_deploy.errors import DeadlineExceeded, EngineClosed, InputError, LtpError, Overloaded
from ltp_deploy.runtime import queue
from ltp_deploy.runtime.queue import QueueOptions, RequestQueue
from ltp_deploy.runtime.request import Request
from ltp_deploy.runtime.result import Result
from tests.answers import random_batch

UNLIMITED = Limits(0, 0, 512)
SECONDS = 30  # within which whatever a test waits for has long happened


class Gate:
    """Answers with the lengths of a request's sequences, and only while it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []  # tokens of the requests that came together

    def __call__(self, requests: Sequence[Request]) -> list[Result]:
        self.batches.append([len(request.batch.input_ids) for request in requests])
        self.entered.release()
        assert self.open.wait(SECONDS)
        if any(13 in request.batch.lengths for request in requests):
            raise MemoryError("thirteen")
        return [Result(request.batch.lengths[:, None].astype(np.float32)) for request in requests]


def request(*lengths: int) -> Request:
    return Request(random_batch(lengths))


def make(gate: Gate, limits: Limits = UNLIMITED, workers: int = 1, **options: int) -> RequestQueue:
    """A queue whose workers are all busy with a request of one token."""
    made = RequestQueue(workers, limits, QueueOptions(**options))
    for _ in range(workers):
        made.submit(request(1), None, gate)
        assert gate.entered.acquire(timeout=SECONDS)
    return made


def answers(futures: Sequence[Future[Result]]) -> list[list[int]]:
    return [future.result(SECONDS).logits[:, 0].astype(int).tolist() for future in futures]


@pytest.mark.parametrize(
    ("limits", "budget", "expected"),
    [
        (UNLIMITED, 100, [[5, 7, 3], [90, 2, 2]]),
        (UNLIMITED, 12, [[5, 7], [3], [90], [2, 2]]),
        (Limits(12, 0, 90), 100, [[5, 7], [3], [90], [2, 2]]),
        (Limits(0, 4, 90), 200, [[5, 7], [3, 90, 2], [2]]),
        (UNLIMITED, 200, [[5, 7, 3, 90, 2, 2]]),
    ],
    ids=["tokens", "fewer tokens", "the engine's tokens", "the engine's sequences", "all"],
)
def test_what_waits_leaves_in_order_as_far_as_it_fits(
    limits: Limits, budget: int, expected: list[list[int]]
) -> None:
    gate = Gate()
    made = make(gate, limits, batch_tokens=budget)
    futures = [made.submit(request(*n), None, gate) for n in ([2, 2, 1], [7], [1, 2], [90])]
    futures += [made.submit(request(2), None, gate) for _ in range(2)]
    gate.open.set()
    assert answers(futures) == [[2, 2, 1], [7], [1, 2], [90], [2], [2]]
    assert gate.batches == [[1], *expected]
    made.close()


def test_a_lone_request_begins_at_once() -> None:
    gate = Gate()
    gate.open.set()
    made = RequestQueue(1, UNLIMITED, QueueOptions())
    for n in (4, 6):
        assert answers([made.submit(request(n), None, gate)]) == [[n]]
    assert gate.batches == [[4], [6]]
    made.close()


def test_as_many_batches_run_as_there_are_workers() -> None:
    gate = Gate()
    made = make(gate, workers=3)
    assert gate.batches == [[1], [1], [1]]
    gate.open.set()
    made.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_only_requests_gather_while_the_workers_are_busy(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []

    class Counted(ThreadPoolExecutor):
        def submit(self, *args: Any, **options: Any) -> Future[Any]:
            begun.append(args)
            return super().submit(*args, **options)

    monkeypatch.setattr(queue, "ThreadPoolExecutor", Counted)
    gate = Gate()
    made = make(gate, workers=workers, batch_tokens=4)
    futures = [made.submit(request(2), None, gate) for _ in range(20)]
    gate.open.set()
    assert answers(futures) == [[2]] * 20
    assert len(begun) == workers
    made.close()


def test_an_answer_that_ends_its_thread_is_heard_of() -> None:
    def leave(_: Sequence[Request]) -> list[Result]:
        raise SystemExit("out")

    made = RequestQueue(1, UNLIMITED, QueueOptions())
    for _ in range(2):
        with pytest.raises(SystemExit, match="out"):
            made.submit(request(1), None, leave).result(SECONDS)
    made.close()


def test_a_full_queue_is_an_error_of_its_own() -> None:
    gate = Gate()
    made = make(gate, max_waiting=2)
    futures = [made.submit(request(n), None, gate) for n in (2, 3)]
    with pytest.raises(Overloaded, match=r"2 requests are waiting, .* larger max_waiting"):
        made.submit(request(4), None, gate)
    assert futures[0].cancel()  # makes room
    cancelled = futures[0]
    futures = [futures[1], made.submit(request(4), None, gate)]
    gate.open.set()
    assert answers(futures) == [[3], [4]]
    assert gate.batches == [[1], [3, 4]]
    assert wait([cancelled], SECONDS).done == {cancelled}
    made.close()


def test_a_deadline_that_passes_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(queue.time, "monotonic", lambda: now[0])
    gate = Gate()
    made = make(gate, max_waiting=3)
    soon, later, never = (made.submit(request(2), wait, gate) for wait in (1, 3.5, None))
    now[0] += 2
    also = made.submit(request(5), 1, gate)  # takes the place of the one that is late
    with pytest.raises(DeadlineExceeded, match="before the engine had begun"):
        soon.result(0)
    now[0] += 1
    gate.open.set()
    assert answers([later, never, also]) == [[2], [2], [5]]
    assert gate.batches == [[1], [2, 2, 5]]

    gate.open.clear()
    made.submit(request(1), None, gate)
    late = made.submit(request(2), 0.5, gate)
    now[0] += 1
    gate.open.set()
    with pytest.raises(TimeoutError):
        late.result(SECONDS)
    made.close()


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "1", True])
def test_a_deadline_is_a_positive_number(deadline: float) -> None:
    made = RequestQueue(1, UNLIMITED, QueueOptions())
    with pytest.raises(InputError, match=r"deadline must be a .*number of seconds, found"):
        made.submit(request(1), deadline, Gate())
    made.close()


def test_cancelled_requests_are_skipped() -> None:
    gate = Gate()
    made = make(gate)
    futures = [made.submit(request(n), None, gate) for n in (2, 3, 4)]
    assert futures[1].cancel()
    gate.open.set()
    assert answers([futures[0], futures[2]]) == [[2], [4]]
    assert gate.batches == [[1], [2, 4]]
    with pytest.raises(CancelledError):
        futures[1].result()
    assert wait(futures, SECONDS).not_done == set()
    made.close()


def test_only_the_request_at_fault_fails() -> None:
    gate = Gate()
    made = make(gate)
    futures = [made.submit(request(n), None, gate) for n in (2, 13, 4)]
    gate.open.set()
    assert answers([futures[0], futures[2]]) == [[2], [4]]
    with pytest.raises(MemoryError, match="thirteen"):
        futures[1].result(SECONDS)
    assert gate.batches == [[1], [2, 13, 4], [2], [13], [4]]
    made.close()


def test_closing_answers_what_waits_and_leaves_no_thread() -> None:
    gate = Gate()
    before = threading.active_count()
    made = make(gate, workers=2)
    assert threading.active_count() == before + 2
    futures = [made.submit(request(n), None, gate) for n in (2, 3)]
    closing = threading.Thread(target=made.close)
    closing.start()
    gate.open.set()
    closing.join(SECONDS)
    assert answers(futures) == [[2], [3]]
    assert threading.active_count() == before
    with pytest.raises(EngineClosed, match="was closed; load the bundle again"):
        made.submit(request(1), None, gate)
    assert made.close()  # again


def test_closing_may_also_refuse_what_waits() -> None:
    gate = Gate()
    made = make(gate)
    futures = [made.submit(request(n), None, gate) for n in (2, 3)]
    assert futures[1].cancel()
    closing = threading.Thread(target=made.close, args=(True,))
    closing.start()
    with pytest.raises(EngineClosed, match="was closed before this request began"):
        futures[0].result(SECONDS)
    assert futures[1].cancelled()
    gate.open.set()
    closing.join(SECONDS)
    assert gate.batches == [[1]]


def test_a_callback_may_submit_and_close() -> None:
    gate = Gate()
    made = make(gate)
    found: list[Future[Result]] = []

    def again(_: Future[Result]) -> None:
        found.append(made.submit(request(6), None, gate))
        assert not made.close()

    first = made.submit(request(2), None, gate)
    first.add_done_callback(again)
    gate.open.set()
    wait([first], SECONDS)
    made.close()
    assert answers(found) == [[6]]


@pytest.mark.parametrize("options", [{"batch_tokens": 0}, {"max_waiting": 1.5}])
def test_options_are_positive_whole_numbers(options: dict) -> None:
    with pytest.raises(LtpError, match="must be a whole number from 1 on, found"):
        QueueOptions(**options)
