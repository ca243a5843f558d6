"""The steps of `make gpu-check`: their order, their time, and what is kept of them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_the_steps_come_in_their_order_and_take_ten_minutes_at_most() -> None:
    from gpu_steps import STEPS

    names = [step.name for step in STEPS]
    order = [
        *("kernels", "op", "products", "attention", "rates", "gaps", "times", "engines"),
        *("tensorrt", "sanitizers"),
    ]
    assert [name for name in names if name in order] == order
    assert names[-1] == "sanitizers"
    assert len(set(names)) == len(names)
    assert sum(step.seconds for step in STEPS) <= 600


def checking(folder: Path, device: str = "cuda") -> Any:
    from gpu_run import Check

    return Check(device, "a GPU", "9.0", folder)


def test_a_step_past_its_time_is_cut_off_between_measurements_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gpu_run import Step, run_steps

    def slow(check: Any, budget: Any) -> list[dict[str, Any]]:
        rows = []
        for name in ("first", "second", "third"):
            if budget.allows(name):
                rows.append({"case": name})
                time.sleep(budget.left)
        return rows

    def quick(check: Any, budget: Any) -> list[dict[str, Any]]:
        return [{"left": budget.left, "enough": budget.allows("this"), "passed": True}]

    check, output = checking(tmp_path), tmp_path / "found.json"
    steps = [Step("slow", 0.05, slow), Step("quick", 30, quick)]
    assert run_steps(steps, check, {"chip": "a GPU"}, output) == []
    found = json.loads(output.read_text())
    assert found["slow"] == [{"case": "first"}]
    assert [step["left_out"] for step in found["steps"]] == [["second", "third"], []]
    assert 0 < found["quick"][0]["left"] <= 30
    assert found["quick"][0]["enough"]
    assert found["running"] is None
    assert found["chip"] == "a GPU"
    printed = capsys.readouterr().out
    assert "left out, for lack of time: second, third" in printed
    assert "slow (a GPU)" in printed


def test_time_that_one_step_does_not_take_is_the_next_ones(tmp_path: Path) -> None:
    from gpu_run import Step, run_steps

    left: list[float] = []

    def step(check: Any, budget: Any) -> list[dict[str, Any]]:
        left.append(budget.left)
        return []

    run_steps([Step("a", 100, step), Step("b", 200, step)], checking(tmp_path), {}, None)
    assert 90 < left[0] <= 100
    assert 290 < left[1] <= 300


def test_what_was_found_is_kept_when_a_step_fails_and_others_still_run(tmp_path: Path) -> None:
    from gpu_run import Step, run_steps

    output = tmp_path / "found.json"
    seen: list[dict[str, Any]] = []

    def fails(check: Any, budget: Any) -> list[dict[str, Any]]:
        seen.append(json.loads(output.read_text()))
        raise RuntimeError("no such kernel")

    steps = [
        Step("good", 1, lambda check, budget: [{"us": 1.0}]),
        Step("bad", 1, fails),
        Step("last", 1, lambda check, budget: [{"passed": False}, {"passed": None}]),
    ]
    assert run_steps(steps, checking(tmp_path), {}, output) == ["bad", "last"]
    assert seen[0]["running"] == "bad"
    assert seen[0]["good"] == [{"us": 1.0}]
    found = json.loads(output.read_text())
    assert found["bad"] == [{"passed": False, "message": "RuntimeError: no such kernel"}]
    assert found["failed"] == ["bad", "last"]
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_a_step_that_hangs_ends_the_check_and_is_named_in_the_file(tmp_path: Path) -> None:
    code = (
        "import sys, time, gpu_run\n"
        "from pathlib import Path\n"
        "gpu_run.GRACE = 0.1\n"
        "check = gpu_run.Check('cuda', 'a GPU', '9.0', Path('.'))\n"
        "step = gpu_run.Step('stuck', 0.1, lambda *_: time.sleep(600))\n"
        "gpu_run.run_steps([step], check, {}, Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "found.json")],
        cwd=ROOT / "benchmarks",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert json.loads((tmp_path / "found.json").read_text())["running"] == "stuck"


def test_a_rehearsal_has_no_time_limit_and_names_what_needs_a_gpu(tmp_path: Path) -> None:
    from gpu_run import Step, run_steps

    check, left = checking(tmp_path, "cpu"), []
    steps = [
        Step("small", 1e-9, lambda check, budget: left.append(budget.left) or []),
        Step("large", 1, lambda check, budget: 1 / 0, needs_gpu="it is the GPU's"),
    ]
    assert run_steps(steps, check, {}, None) == []
    assert left == [math.inf]
    assert check.rows["large"] == [{"skipped": "it is the GPU's"}]
