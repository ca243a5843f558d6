"""A child process that answers each line with one, and is watched: it may die, or never answer."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

SECONDS = 300.0  # for one answer, on a very busy machine
ANSWERS = 500  # of one process, before a new one takes its place

STAGES = ("reading", "compiling", "inference")  # what a case may reach
REFUSED, ANSWERED, RAW = "refused", "answered", "raw"
KILLED, HUNG = "killed", "hung"


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        stage: the one that it reached.
        result: REFUSED, by an error of ours; ANSWERED; RAW, by any other error; or what became of
            the process: KILLED, by a signal or an exit, or HUNG.
        said: the error's message, or the answer.
    """

    stage: str
    result: str
    said: str

    @property
    def bad(self) -> bool:
        return self.result not in (REFUSED, ANSWERED)


class Watched:
    """The process, which is started when it is asked, and anew after it died."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None):
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = 0

    def ask(self, line: str) -> Outcome:
        """The outcome of the case that a line names."""
        if self._answers >= ANSWERS:
            self.close()
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._died(process)
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        if not ready:
            self.close()
            return Outcome("?", HUNG, f"no answer within {SECONDS:g} s")
        answer = process.stdout.readline()
        if not answer.endswith(b"\n"):
            return self._died(process)
        self._answers += 1
        stage, result, said = answer.decode(errors="replace").rstrip("\n").split("\t", 2)
        return Outcome(stage, result, said)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self._answers = 0

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
            )
        return self._process

    def _died(self, process: subprocess.Popen[bytes]) -> Outcome:
        status = process.wait()
        self.close()
        why = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return Outcome("?", KILLED, why)
