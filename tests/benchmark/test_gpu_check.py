"""`make gpu-check`, as far as it goes without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_the_rehearsal_passes_and_writes_its_figures(tmp_path: Path) -> None:
    done = gpu_check("--rehearse", "-o", tmp_path / "gpu.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything passed" in done.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["failed"] == []
    plans = [
        row["plan"] for row in found["engines"]
    ]  # of the demo's checkpoint too, if it is there
    assert plans[:4] == ["auto", "all", "bounded", "none"]
    assert len(found["learning"]) == 4
    runners = {row["runner"] for row in found["times"]}
    assert {"ltp-deploy", "PyTorch dense, padded", "PyTorch dense, unpadded"} <= runners


def test_the_checks_register_the_operators_kernels() -> None:
    """Else the operator's reference runs, which takes no tensors on a GPU."""
    for module in ("gpu_numerics", "gpu_speed"):
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
