"""Running the steps of `gpu.py` one after another, each within its time, and keeping what they
find."""

from __future__ import annotations

import faulthandler
import json
import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
GRACE = 45.0  # seconds past its time after which a step is taken to hang


class Budget:
    """The time that a step has; `left_out` names the measurements that there was none left for.

    Args:
        end: when it is over, by `time.monotonic`.
    """

    def __init__(self, end: float = math.inf):
        self._end = end
        self.left_out: list[str] = []

    @property
    def left(self) -> float:
        """Seconds."""
        return max(0.0, self._end - time.monotonic())

    def allows(self, measurement: str, seconds: float = 0.0) -> bool:
        """Whether to begin a measurement that takes at least so many seconds."""
        if self.left > seconds:
            return True
        self.left_out.append(measurement)
        return False


@dataclass
class Check:
    """What the steps share.

    Attributes:
        device: "cuda", or "cpu" in a rehearsal.
        chip: the GPU's name, which stands beside every figure.
        capability: its compute capability; in a rehearsal that of a T4, for which is compiled.
        folder: for files that are deleted afterwards.
        checkpoint: of the user, checked besides random ones.
        seconds: of timing, for each case of engines.
        programs: the compiled C++ tests, by the code that they run.
        ptx: the kernels as PTX for sm_75, which the driver compiles for the GPU that is present.
        rows: what the steps have found so far, by their names.
    """

    device: str
    chip: str
    capability: str
    folder: Path
    checkpoint: Path | None = None
    seconds: float = 0.0
    programs: dict[str, list[Path]] = field(default_factory=dict)
    ptx: Path | None = None
    rows: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def rehearsal(self) -> bool:
        return self.device == "cpu"


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        seconds: its time. What the steps before it did not take is its own as well.
        run: returns rows for people and for JSON. `passed` is False in a row that shows a fault;
            `skipped` says what could not be done here, and why.
        needs_gpu: why a rehearsal leaves it out, "" where it runs in small.
    """

    name: str
    seconds: float
    run: Callable[[Check, Budget], list[Row]]
    needs_gpu: str = ""


def run_steps(steps: Sequence[Step], check: Check, about: Row, output: Path | None) -> list[str]:
    """Run the steps in their order; returns the names of those that found a fault.

    Args:
        about: what stands at the beginning of the JSON.
        output: the file for all that is known, written before and after each step, since one may
            bring the process or the machine down; None for none. A step that hangs ends the
            process, with the stack of every thread on stderr.
    """
    begin = end = time.monotonic()
    failed: list[str] = []
    taken: list[Row] = []

    def record(running: str | None) -> None:
        seconds = round(time.monotonic() - begin)
        known = {**about, "seconds": seconds, "running": running, "failed": failed, "steps": taken}
        text = json.dumps({**known, **check.rows}, indent=1) + "\n"
        if output:
            part = output.with_name(f"{output.name}.part")
            part.write_text(text, encoding="utf-8")
            part.replace(output)

    for step in steps:
        started = time.monotonic()
        end += step.seconds
        budget = Budget(math.inf if check.rehearsal else end)
        record(step.name)
        check.rows[step.name] = rows = _attempt(step, check, budget)
        seconds = time.monotonic() - started
        taken.append(
            {
                "step": step.name,
                "budget": step.seconds,
                "seconds": round(seconds, 1),
                "left_out": budget.left_out,
            }
        )
        failed += [step.name] * any(row.get("passed") is False for row in rows)
        print(f"\n{step.name} ({check.chip}), {seconds:.0f} s", flush=True)
        print_rows(rows)
        if budget.left_out:
            print(f"  left out, for lack of time: {', '.join(budget.left_out)}", flush=True)
        record(None)
    return failed


def _attempt(step: Step, check: Check, budget: Budget) -> list[Row]:
    """The rows of a step, or one row with the error where it fails: others still run."""
    if check.rehearsal and step.needs_gpu:
        return [{"skipped": step.needs_gpu}]
    if not check.rehearsal:
        faulthandler.dump_traceback_later(budget.left + GRACE, exit=True, file=sys.__stderr__)
    try:
        return step.run(check, budget)
    except Exception as error:
        traceback.print_exc()
        return [{"passed": False, "message": f"{type(error).__name__}: {error}"}]
    finally:
        faulthandler.cancel_dump_traceback_later()


def print_rows(rows: list[Row]) -> None:
    """Print a plain table: no package for tables need be installed. What is a row's own table is
    in the JSON alone."""
    named = dict.fromkeys(n for row in rows for n, value in row.items() if type(value) is not dict)
    names = list(named)
    if not names:
        return
    cells = [names, *([_short(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  " + "  ".join(padded).rstrip())


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = " ".join(str(value).split())
    return text if len(text) < 80 else f"...{text[-80:]}"
