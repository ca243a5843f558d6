"""The kernels, their C++ tests and TensorRT in `make gpu-check`, as far as no GPU is needed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.programs import program

ROOT = Path(__file__).parents[2]


def test_the_op_check_that_ran_nothing_has_not_passed() -> None:
    from gpu_op import check_op
    from gpu_run import Budget

    over = Budget(time.monotonic() - 1)
    assert check_op("cpu", 3, over)["passed"] is None
    assert over.left_out == ["3 of 3 rounds"]


def test_the_ops_kernels_can_be_those_of_another_file() -> None:
    from gpu_op import launching

    from ltp_deploy.backends.torch_cuda import queue

    usual = queue.kernels
    with launching(Path("other.fatbin")):
        assert queue.kernels(0) == Path("other.fatbin")
    assert queue.kernels is usual


def test_every_test_of_the_kernels_that_is_named_exists() -> None:
    from gpu_kernels import INCLUDES, SHARED, TESTS

    paths = [*SHARED, *INCLUDES, *(f"tests/cuda/test_{name}.cpp" for name in TESTS)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


SANITIZER = """#!/bin/sh
test "$1 $3 $4" = "--tool --error-exitcode 9" || exit 3
test "$2" = racecheck && grep -q racy "$5" && exit 9
exec "$5"
"""


def test_sanitizers_judge_every_test_and_stop_when_the_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpu_kernels import run_tests, sanitize
    from gpu_run import Budget

    program(tmp_path / "compute-sanitizer", SANITIZER)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    good = program(tmp_path / "test_good", "#!/bin/sh\nexit 0\n")
    racy = program(tmp_path / "test_racy", "#!/bin/sh\n# racy\nexit 0\n")
    wrong = program(tmp_path / "test_wrong", "#!/bin/sh\necho 'FAILED (1)'\nexit 1\n")
    programs = {"sm_90": [good, racy], "PTX for sm_75": [wrong]}
    alone = run_tests(programs, Budget())
    assert [row["passed"] for row in alone] == [True, True, False]
    rows = sanitize(None, programs, Budget(time.monotonic() + 60))
    found = {(row["code"], row["test"], row["under"]): row["passed"] for row in rows}
    assert found == {
        ("sm_90", "test_good", "memcheck"): True,
        ("sm_90", "test_good", "racecheck"): True,
        ("sm_90", "test_racy", "memcheck"): True,
        ("sm_90", "test_racy", "racecheck"): False,
        ("PTX for sm_75", "test_wrong", "memcheck"): False,
        ("PTX for sm_75", "test_wrong", "racecheck"): False,
    }
    stuck = program(tmp_path / "test_stuck", "#!/bin/sh\nsleep 600\n")
    rows = sanitize(None, {"sm_90": [stuck]}, Budget(time.monotonic() + 1.5))
    assert {row["passed"] for row in rows} == {None}
    over = Budget(time.monotonic())
    assert sanitize(None, programs, over) == []
    assert len(over.left_out) == 6


def test_tensorrt_is_skipped_by_name_where_no_library_builds_for_the_gpu(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import gpu_tensorrt
    from gpu_run import Budget

    from ltp_deploy.backends.tensorrt import library

    monkeypatch.setattr(library, "gpus", lambda: [])
    (row,) = gpu_tensorrt.check_tensorrt(tmp_path, "9.0", {}, False, Budget())
    assert row["skipped"].startswith("no tensorrt or tensorrt_rtx: ")
    assert "TensorRT for RTX" in row["skipped"]
    assert "9.0" in row["skipped"]
