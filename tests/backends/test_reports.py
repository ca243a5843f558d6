"""No use of this package is reported to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltp_deploy.backends.reports import no_usage_reports

BUILD = """
import sys
from openvino_telemetry.utils.sender import TelemetrySender
TelemetrySender.send = lambda *message: print("reported", message)
from ltp_deploy import build, load
build(sys.argv[1], "out")
load("out")
from ltp_deploy.calibration.ranges import need_nncf
need_nncf()
import nncf.telemetry
nncf.telemetry.telemetry.send_event("category", "action", "label")
"""


@pytest.mark.slow
def test_a_build_is_not_reported(bert_checkpoint: Path, tmp_path: Path) -> None:
    for package in ("openvino_telemetry", "nncf"):
        pytest.importorskip(package)
    home = tmp_path / "home"
    home.mkdir()
    outside = {"HOME": str(home), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    environment = {
        n: v for n, v in os.environ.items() if n not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(bert_checkpoint)],
        cwd=tmp_path,
        env={**environment, **outside},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "reported" not in done.stdout
    assert list(home.rglob("*openvino*")) == []


@pytest.mark.parametrize("before", [None, "false"])
def test_the_environment_stays_as_it_was(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if before is not None:
        monkeypatch.setenv("CI", before)
    with no_usage_reports():
        assert os.environ["CI"] == "true"
    assert os.environ.get("CI") == before


def test_a_user_without_a_name_has_no_home_and_needs_none(bert_bundle: Path) -> None:
    code = """
import os, pwd, sys
def unknown(user):
    raise KeyError(user)
pwd.getpwuid = unknown  # as of a container that runs under any number
from ltp_deploy import load
load(sys.argv[1])(input_ids=[[2, 5, 3]])
print(os.environ.get("HOME"))
"""
    environment = {n: v for n, v in os.environ.items() if n != "HOME"}
    command = [sys.executable, "-c", code, str(bert_bundle)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr


def test_onnx_runtime_starts_no_reporter() -> None:
    pytest.importorskip("onnxruntime")
    code = """
import os
from ltp_deploy.backends.reports import import_onnxruntime
import numpy
before = len(os.listdir("/proc/self/task"))
import_onnxruntime()
print(len(os.listdir("/proc/self/task")) - before)
"""
    environment = {n: v for n, v in os.environ.items() if n != "CI"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
