"""Loaded engines where their process is forked, or ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ltp_deploy.backends.process import native_calls
from ltp_deploy.errors import EngineClosed

TARGETS = ["cpu", "torchscript", pytest.param("onnx", marks=pytest.mark.slow)]
SECONDS = 60
WAITED = """
def status(child):
    import time
    end = time.monotonic() + 20
    while time.monotonic() < end:
        done, found = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(found)
        time.sleep(0.01)
    os.kill(child, 9)
    return "hangs"
"""


def in_new_process(code: str, bundle: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(bundle)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "request_", ["engine('a text')", "engine.submit('a text')", "engine.predict(['a text'] * 9)"]
)
def test_an_engine_says_that_its_process_was_forked(
    request_: str, target: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    code = f"""
import os, sys
from ltp_deploy import EngineClosed, load
{WAITED}
engine = load(sys.argv[1], throughput=True)
{request_}
engine.submit("a text").result()
if (child := os.fork()) == 0:
    try:
        {request_}
    except EngineClosed as error:
        sys.exit("load the bundle in each process" not in str(error))  # an end like any other
    sys.exit(2)
print(status(child), len(engine.submit("a text").result().logits))
"""
    found = in_new_process(code, bundle_of(bert_checkpoint, target))
    assert found.stdout == "0 1\n", found.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_a_forked_process_may_load_the_bundle(
    target: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    code = f"""
import os, sys
from ltp_deploy import LtpError, load
{WAITED}
texts = ["a text of some words"] * 200
before = load(sys.argv[1], threads=2)(texts).logits
if (child := os.fork()) == 0:
    same = abs(load(sys.argv[1])(texts).logits - before).max() < 1e-4
    try:
        load(sys.argv[1], threads=2)(texts)
    except LtpError as error:  # where it cannot have threads of its own
        same &= "spawn" in str(error)
    sys.exit(not same)
print(status(child))
"""
    found = in_new_process(code, bundle_of(bert_checkpoint, target))
    assert found.stdout == "0\n", found.stderr


@pytest.mark.slow
def test_a_process_may_be_forked_while_other_threads_compute(
    bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    """Without a pause one child of seven hangs."""
    code = f"""
import os, sys, threading, time
from ltp_deploy import load
{WAITED}
engine = load(sys.argv[1])
stop = threading.Event()
def work():
    while not stop.is_set():
        engine.submit(input_ids=[[2, 5, 3]] * 3).result()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
ended = []
for _ in range(20):
    time.sleep(0.01)
    if (child := os.fork()) == 0:
        load(sys.argv[1])(input_ids=[[2, 5, 3]])
        os._exit(0)
    ended.append(status(child))
    if ended[-1] != 0:
        break
stop.set()
print(ended)
"""
    found = in_new_process(code, bundle_of(bert_checkpoint, "cpu"))
    assert found.stdout == f"{[0] * 20}\n", found.stderr


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("call", ["engine(texts)", "load(sys.argv[1])"])
def test_a_process_ends_while_daemon_threads_compute(
    call: str, target: str, bert_checkpoint: Path, bundle_of: Callable[..., Path]
) -> None:
    code = f"""
import sys, threading, time
from ltp_deploy import EngineClosed, load
engine, texts = load(sys.argv[1]), ["a text of some words"] * 64
def work():
    try:
        while True:
            {call}
    except (EngineClosed, RuntimeError):
        pass
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("the end")
"""
    found = in_new_process(code, bundle_of(bert_checkpoint, target))
    assert found.returncode == 0, found.stderr
    assert found.stdout == "the end\n"


def test_nothing_begins_when_the_process_ends() -> None:
    calls = type(native_calls)()
    with calls:
        pass
    calls.end()
    with pytest.raises(EngineClosed, match="the process is ending"), calls:
        pass


def test_a_fork_waits_for_calls_of_other_threads_alone() -> None:
    calls, events = type(native_calls)(), list[str]()
    inside, leave = threading.Event(), threading.Event()

    def compute() -> None:
        with calls:
            inside.set()
            leave.wait(SECONDS)
            events.append("computed")

    thread = threading.Thread(target=compute)
    thread.start()
    inside.wait(SECONDS)
    threading.Timer(0.1, leave.set).start()
    with calls:  # as a library does that forks itself
        calls.pause()
        events.append("forked")
        calls.go_on()
    thread.join(SECONDS)
    assert events == ["computed", "forked"]
