"""Servers for tests: in this process, and as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from ltp_deploy.serve.app import create_app
from ltp_deploy.serve.service import Model, Service
from ltp_deploy.serve.settings import Settings
from tests.signals import set_signals

ROOT = Path(__file__).parents[2]
SECONDS = 60  # within which whatever a test waits for has long happened


def until(what: Callable[[], bool]) -> None:
    """Wait for it."""
    ends = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def service_of(client: TestClient) -> Service:
    found: Service = client.app.state.service
    return found


@contextmanager
def serving(bundles: dict[str, Path], **settings: Any) -> Iterator[TestClient]:
    """A client of an application whose bundles are loaded."""
    with TestClient(create_app(Settings(bundles, **settings))) as client:
        service = service_of(client)
        until(lambda: bool(service.models) or service.failure is not None)
        yield client


@contextmanager
def held(model: Model) -> Iterator[Any]:
    """The engine of a model waits for `open` before it computes; `sequences` has what it did."""
    from tests.runtime.test_submit import Held

    session = Held(model.engine)
    model.engine._session = session
    try:
        yield session
    finally:
        session.open.set()
        model.engine._session = session.inner


@contextmanager
def process(*arguments: object, env: dict[str, str] | None = None) -> Iterator[Any]:
    """(process, its address) of `ltp-deploy serve` once it is ready; ended afterwards."""
    command = [sys.executable, "-m", "ltp_deploy.cli", "serve", *map(str, arguments), "--port", "0"]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, **(env or {})}
    started = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=set_signals,
    )
    try:
        yield started, address(started)
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
        started.wait(SECONDS)
        assert started.stderr is not None
        started.stderr.close()


def address(started: subprocess.Popen[bytes]) -> str:
    """Where the process listens, once it is ready there."""
    assert started.stderr is not None
    line = started.stderr.readline().decode()
    found = re.search(r"http://\S+", line)
    assert found, line + started.stderr.read().decode()
    until(lambda: started.poll() is not None or is_ready(found[0]))
    return found[0]


def is_ready(url: str) -> bool:
    return httpx.get(f"{url}/health/ready").status_code == 200


def end(started: subprocess.Popen[bytes]) -> tuple[int, str]:
    """(exit status, what was printed) after SIGTERM."""
    started.send_signal(signal.SIGTERM)
    return printed(started)


def printed(started: subprocess.Popen[bytes]) -> tuple[int, str]:
    """(exit status, what was printed) of a process that ends."""
    assert started.stderr is not None
    text = started.stderr.read().decode()
    return started.wait(SECONDS), text


def child_ids(parent: int) -> Sequence[int]:
    """The processes that another one has started."""
    listing = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(number) for number in listing.split()]
