"""Workers on this machine: processes that take one shard after another."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import connection
from typing import Any

from ltp_deploy.errors import LtpError
from ltp_deploy.hardware.parent import die_with
from ltp_deploy.score.plan import Shard
from ltp_deploy.score.shard import Done, Task, Worker

# Of workers at the same shard, or before their first one, after which nobody tries again.
DEATHS = 3


class _Process:
    """One worker, and the shard that it has."""

    def __init__(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.shard: Shard | None = None
        self.process = context.Process(
            target=_work, args=(task, theirs, os.getpid()), name="ltp-score", daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, shard: Shard) -> None:
        self.shard = shard
        with suppress(OSError):  # it has died, which its pipe will say
            self.pipe.send(shard)

    def stop(self) -> None:
        self.process.kill()  # nothing is lost: what it writes appears whole or not at all
        self.process.join()
        self.pipe.close()


def run_local(
    task: Task,
    shards: Sequence[Shard],
    workers: int,
    threads: int,
    told: Callable[[Done], None],
) -> None:
    """Score the shards. Where a worker dies, another one does what it had.

    Args:
        threads: of all workers together.
        told: of every shard that is complete.

    Raises:
        LtpError: see `Worker`; or workers die again and again.
    """
    workers = min(workers, len(shards))
    shares = [threads // workers + (i < threads % workers) for i in range(workers)]
    tasks = [replace(task, threads=max(1, share)) for share in shares]
    waiting, deaths = deque(shards), Counter[int]()
    running = {i: _Process(each) for i, each in enumerate(tasks)}
    try:
        for process in running.values():
            process.give(waiting.popleft())
        while running:
            ready = connection.wait([process.pipe for process in running.values()])
            for i, process in list(running.items()):
                if process.pipe not in ready:
                    continue
                if (done := _received(process)) is None:
                    assert process.shard is not None
                    _count_death(process, deaths)
                    waiting.appendleft(process.shard)
                    running[i] = process = _Process(tasks[i])
                else:
                    told(done)
                if waiting:
                    process.give(waiting.popleft())
                else:
                    running.pop(i).stop()
    finally:
        for process in running.values():
            process.stop()


def _received(process: _Process) -> Done | None:
    """What a worker says; None where it has died.

    Raises:
        LtpError: it cannot go on, and neither could another one.
    """
    try:
        found = process.pipe.recv()
    except (EOFError, OSError):
        return None
    if isinstance(found, LtpError):
        raise found
    assert isinstance(found, Done)
    return found


def _count_death(process: _Process, deaths: Counter[int]) -> None:
    """Note a death.

    Raises:
        LtpError: it was one too many.
    """
    process.stop()
    shard = process.shard
    assert shard is not None
    deaths[shard.number] += 1
    if deaths[shard.number] == DEATHS:
        code = process.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        rows = f"rows {shard.before + 1} to {shard.before + shard.rows}"
        full = "; is the memory full? fewer --workers need less" if code == -signal.SIGKILL else ""
        raise LtpError(f"{DEATHS} workers ended one after another, the last {how}, at {rows}{full}")


def _work(task: Task, pipe: Any, parent: int) -> None:
    """One worker, until it is killed."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is meant for the parent
    try:
        worker = Worker(task)
        while True:
            pipe.send(worker.score(pipe.recv()))
    except LtpError as error:
        pipe.send(LtpError(str(error)))
    except OSError as error:
        pipe.send(LtpError(f"a worker cannot go on: {error}"))
    except EOFError:
        pass
