"""`make gpu-check`, as far as it goes without a GPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltp_deploy.cuda.compile import nvcc
from ltp_deploy.hardware.gpu import gpus

ROOT = Path(__file__).parents[2]


def gpu_check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.full
def test_the_rehearsal_runs_every_step_that_needs_no_gpu(tmp_path: Path) -> None:
    done = gpu_check("--rehearse", "-o", tmp_path / "gpu.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything passed" in done.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["failed"] == []
    assert found["compute_capability"] is None  # nothing is a T4's
    left_out = [step["left_out"] for step in found["steps"]]
    assert left_out == [[]] * len(left_out)
    plans = [row["plan"] for row in found["engines"]]  # and those of the demo, if it is there
    assert plans[:4] == ["auto", "all", "bounded", "none"]
    assert len(found["learning"]) == 4
    runners = {row["runner"] for row in found["times"]}
    assert {"ltp-deploy", "PyTorch dense, padded", "PyTorch dense, unpadded"} <= runners
    assert len(found["products"]) == 8
    assert sum("floor_memory" in row for row in found["attention"]) == 12
    assert all(row["passed"] for row in found["op"])
    for step in ("op, PTX for sm_75", "kernel tests", "sanitizers"):
        (row,) = found[step]
        assert f"skipped in {step}: {row['skipped']}" in done.stdout
    if importlib.util.find_spec("tensorrt_rtx"):
        plans = [row["plan"] for row in found["tensorrt"] if "plan" in row]
        assert plans == ["auto", "all"]
        assert all(row["ms"] > 0 for row in found["tensorrt"] if "case" in row)
    if nvcc():
        assert [row["compiled"] for row in found["kernels"]][1:] == [
            "ltp_cuda-sm_75-ptx.fatbin",
            "C++ tests, sm_75",
        ]


@pytest.mark.slow
def test_a_result_that_cannot_be_kept_is_refused_at_once(tmp_path: Path) -> None:
    done = gpu_check("--rehearse", "-o", tmp_path / "missing" / "gpu.json")
    assert done.returncode == 1
    assert "there is no folder" in done.stderr
    assert done.stdout == ""


def test_the_checks_register_the_operators_kernels() -> None:
    """Else the operator's reference runs, which takes no tensors on a GPU."""
    for module in ("gpu_op", "gpu_attention", "gpu_speed", "gpu_steps"):
        code = (
            f"import {module}\n"
            "from ltp_deploy.model.op import pruned_attention\n"
            "assert 'cuda' in pruned_attention._backend_fns\n"
        )
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'benchmarks'}"},
        )


@pytest.mark.slow
@pytest.mark.skipif(bool(gpus()), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = gpu_check()
    assert done.returncode == 1
    assert "no GPU" in done.stderr
    assert "--rehearse" in done.stderr
