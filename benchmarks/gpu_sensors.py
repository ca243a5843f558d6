"""Clocks, power, temperature and what holds the clocks down, sampled by nvidia-smi meanwhile."""

from __future__ import annotations

import subprocess
import threading
import time
from statistics import median
from types import TracebackType
from typing import Any

import torch
from gpu_run import Row
from gpu_timing import Timed

FIELDS = {
    "clocks.sm": "sm_mhz",
    "clocks.mem": "memory_mhz",
    "power.draw": "watts",
    "temperature.gpu": "celsius",
}
# The field's name in newer drivers and in older ones.
REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
BITS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
    0x100: "display clocks",
}
EVERY = 0.2  # seconds between samples
PATIENCE = 10.0  # seconds until the first sample

State = dict[str, Any]


class Sensors:
    """Samples the GPU that PyTorch uses while the context is open.

    Attributes:
        missing: why there are no samples, "" where there are.
    """

    def __init__(self) -> None:
        self.missing = ""
        self.samples: list[tuple[float, State]] = []
        self._child: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sensors:
        attempts = [(which, reasons) for which in _names() for reasons in REASONS]
        for which, reasons in attempts:
            try:
                self._start(which, reasons)
            except OSError as error:
                self.missing = f"clocks and power: nvidia-smi does not run ({error})"
                return self
            if self._first_sample():
                self.missing = ""
                return self
            self._stop()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def states(self, timed: Timed) -> dict[str, State]:
        """How the GPU was before, during and after a load: the last sample before it, medians of
        those within it with all reasons, and the first one after it. {} without samples."""
        before = [state for at, state in self.samples if at <= timed.begin]
        during = [state for at, state in self.samples if timed.begin < at <= timed.end]
        after = [state for at, state in self.samples if at > timed.end]
        parts = {"before": before[-1:], "during": during, "after": after[:1]}
        return {when: _together(states) for when, states in parts.items() if states}

    def described(self, found: list[tuple[Row, Timed]]) -> list[Row]:
        """Rows with the state of the GPU beside each: under load in columns of their own, and
        before, during and after it as `sensors`. Where there are no samples, a last row says why.
        """
        if not self.missing:
            time.sleep(2 * EVERY)  # for a sample after the last load
        for row, timed in found:
            if states := self.states(timed):
                row.update(states.get("during", {}), sensors=states)
        return [*(row for row, _ in found), *([{"skipped": self.missing}] if self.missing else [])]

    def _start(self, which: str, reasons: str) -> None:
        query = ",".join([*FIELDS, reasons])
        self._child = subprocess.Popen(
            [
                "nvidia-smi",
                f"--id={which}",
                f"--query-gpu={query}",
                "--format=csv,noheader,nounits",
                f"--loop-ms={1000 * EVERY:.0f}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._thread = threading.Thread(target=self._read, args=(self._child,), daemon=True)
        self._thread.start()

    def _read(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout
        for line in child.stdout:
            state = parsed(line)
            if state is None:
                self.missing = f"clocks and power: nvidia-smi says {line.strip()!r}"
            else:
                self.samples.append((time.monotonic(), state))

    def _first_sample(self) -> bool:
        end = time.monotonic() + PATIENCE
        assert self._thread
        while not self.samples and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        if not self.samples and not self.missing:
            self.missing = "clocks and power: nvidia-smi says nothing"
        return bool(self.samples)

    def _stop(self) -> None:
        if self._child and self._thread:
            self._child.terminate()
            self._child.wait()
            self._thread.join()
            self._child = None


def parsed(line: str) -> State | None:
    """A line of nvidia-smi's table; None where it is none. What it does not know is left out."""
    *values, reasons = (value.strip() for value in line.split(","))
    if len(values) != len(FIELDS):
        return None
    state: State = {}
    for name, value in zip(FIELDS.values(), values, strict=True):
        try:
            state[name] = float(value)
        except ValueError:
            continue  # [N/A]
    if reasons.startswith("0x"):
        bits = int(reasons, 16)
        state["held_by"] = [name for bit, name in BITS.items() if bits & bit]
    return state or None


def _together(states: list[State]) -> State:
    names = dict.fromkeys(name for state in states for name in state if name != "held_by")
    found: State = {n: median(state[n] for state in states if n in state) for n in names}
    held = {reason for state in states for reason in state.get("held_by", ())}
    return {**found, "held_by": sorted(held)}


def _names() -> list[str]:
    """What nvidia-smi may know PyTorch's GPU as: it counts GPUs that CUDA_VISIBLE_DEVICES hides."""
    if not torch.cuda.is_available():
        return ["0"]
    uuid = getattr(torch.cuda.get_device_properties(), "uuid", None)
    return [*([f"GPU-{uuid}"] if uuid else []), "0"]
