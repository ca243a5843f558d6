"""Several processes that serve one socket."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory

from prometheus_client.multiprocess import mark_process_dead

from ltp_deploy.errors import LtpError
from ltp_deploy.serve.metrics import FOLDER
from ltp_deploy.serve.server import serve
from ltp_deploy.serve.settings import Settings

LOG = logging.getLogger("ltp_deploy.serve")
NOT_LOADED = 3  # how a worker ends that cannot load a bundle, as another one could not
PAUSE = 1.0  # seconds before a worker takes the place of one that died


def serve_in_workers(settings: Settings, listener: socket.socket) -> None:
    """Serve with `settings.workers` processes until a signal ends this one, which waits for them.
    Where one dies another takes its place. Each maps the bundles' weights, so that they are in
    memory once, and takes its share of the cores.

    Raises:
        LtpError: a bundle could not be loaded.
    """
    if settings.loading.threads is None:
        share = max(1, len(os.sched_getaffinity(0)) // settings.workers)
        settings = replace(settings, loading=replace(settings.loading, threads=share))
    with TemporaryDirectory(prefix="ltp-serve-") as folder, _signals() as (ends, woken):
        os.environ[FOLDER] = folder
        workers = [_start(settings, listener) for _ in range(settings.workers)]
        try:
            while not ends:
                connection.wait([woken, *(worker.sentinel for worker in workers)])
                _replace_dead(workers, settings, listener, folder)
        finally:
            listener.close()  # what connects from now on is refused, not kept for nobody
            for worker in workers:
                worker.terminate()
            _wait(workers, ends, woken)
            del os.environ[FOLDER]


def _wait(workers: list[SpawnProcess], ends: list[int], woken: socket.socket) -> None:
    """Until all have ended; they are told of more signals that come."""
    told = max(len(ends), 1)
    while alive := [worker for worker in workers if worker.is_alive()]:
        connection.wait([woken, *(worker.sentinel for worker in alive)])
        with suppress(BlockingIOError):
            woken.recv(64)
        for number in ends[told:]:
            for worker in alive:
                if worker.pid is not None and worker.is_alive():
                    os.kill(worker.pid, number)
        told = max(told, len(ends))


def _replace_dead(
    workers: list[SpawnProcess], settings: Settings, listener: socket.socket, folder: str
) -> None:
    for i, worker in enumerate(workers):
        if worker.exitcode is None:
            continue
        if worker.exitcode == NOT_LOADED:
            raise LtpError("a worker could not load the bundles; see above")
        assert worker.pid is not None
        mark_process_dead(worker.pid, folder)
        LOG.error("worker %d ended with %d; another one begins", worker.pid, worker.exitcode)
        time.sleep(PAUSE)
        workers[i] = _start(settings, listener)


def _start(settings: Settings, listener: socket.socket) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=_work, args=(settings, listener), name="ltp-worker"
    )
    process.start()
    return process


def _work(settings: Settings, listener: socket.socket) -> None:
    """One worker."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(settings, listener)
    except LtpError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(NOT_LOADED)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _signals() -> Iterator[tuple[list[int], socket.socket]]:
    """(signals to end that came, a socket that becomes readable when one does)."""
    ends: list[int] = []
    woken, waker = socket.socketpair()
    woken.setblocking(False)
    waker.setblocking(False)
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, lambda n, _: ends.append(n)) for number in numbers]
    signal.set_wakeup_fd(waker.fileno())
    try:
        yield ends, woken
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        woken.close()
        waker.close()
